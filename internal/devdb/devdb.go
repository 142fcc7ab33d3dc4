package devdb

import (
	"context"

	"github.com/millrace/millrace/internal/privatedb"
)

// The words of privatedb, so that users of this package need no other.
type (
	Server   = privatedb.Server
	Options  = privatedb.Options
	Database = privatedb.Database
)

// What a server is for.
const (
	ForExamples = privatedb.ForExamples
	ForTests    = privatedb.ForTests
)

var door = privatedb.Open("devdb", thisDaemon().inDocker())

// Start finds or starts a server as [privatedb.Start] does, in Docker too.
func Start(ctx context.Context, o Options) (*Server, error) { return door.Start(ctx, o) }
