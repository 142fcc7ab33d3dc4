package salesetl

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// newTables returns a database with the pipeline's tables, empty.
func newTables(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := devdb.Test(t)
	if err := CreateTables(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return pool
}
