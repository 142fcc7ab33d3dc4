// Package database gives the examples a Postgres, so that each of them can be copied as it stands: the one of
// DATABASE_URL, or else a private one that is gone when the program is. A program of your own opens its pool itself.
package database

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
)

// Start returns the URL of a server, which it tells to log in one line, and what stops it again. The URL holds a password;
// do not print it. The server of DATABASE_URL is not stopped.
func Start(ctx context.Context, log io.Writer) (url string, stop func() error, err error) {
	server, err := devdb.Start(ctx, devdb.Options{Log: log})
	if err != nil {
		return "", nil, err
	}
	return server.URL(), server.Close, nil
}

// Use calls f with an empty database of its own, on the server that Start gives, and drops it afterwards.
func Use(ctx context.Context, f func(ctx context.Context, pool *pgxpool.Pool) error) (err error) {
	server, err := devdb.Start(ctx, devdb.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	db, err := server.NewDatabase(ctx)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, db.URL)
	if err != nil {
		return err
	}
	defer pool.Close()
	return f(ctx, pool)
}
