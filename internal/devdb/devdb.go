package devdb

import (
	"context"

	"github.com/millrace/millrace/internal/privatedb"
)

type (
	// Server is a Postgres that is there until its Close.
	Server = privatedb.Server
	// Options say which server is wanted.
	Options = privatedb.Options
	// Database is one that Server.NewDatabase made.
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
