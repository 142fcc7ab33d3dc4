package structgen

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }
