package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/database"
	"github.com/millrace/millrace/examples/sales/salesetl"
)

// connectTimeout bounds the wait for a server that does not answer, unless the URL says otherwise.
const connectTimeout = 10 * time.Second

// openDatabase connects to the database of a URL, or of a server that it starts, and returns what closes it again.
func openDatabase(ctx context.Context, url string, stderr io.Writer) (*pgxpool.Pool, func(), error) {
	closeServer := func() {}
	if url == "" {
		started, stop, err := database.Start(ctx, stderr)
		if err != nil {
			return nil, nil, err
		}
		url = started
		closeServer = func() {
			if err := stop(); err != nil {
				fmt.Fprintf(stderr, "closing the private database: %s\n", oneLine(err))
			}
		}
	}
	pool, err := connect(ctx, url)
	if err != nil {
		closeServer()
		return nil, nil, err
	}
	return pool, func() { pool.Close(); closeServer() }, nil
}

func connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil || strings.Contains(config.ConnConfig.Database, "@") {
		// Which part of a broken URL is the password nobody knows, so that none of it is repeated. With a slash in
		// the password a URL is read as one whose database has an @ in its name.
		return nil, errors.New("the database URL cannot be understood: it should look like postgres://user:password@host:5432/database, with special characters in the password written as %XX")
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("database: %w", err)
	}
	return pool, nil
}

// checkTables tells which of the pipeline's tables are not there.
func checkTables(ctx context.Context, pool *pgxpool.Pool) error {
	missing, err := salesetl.MissingTables(ctx, pool)
	if err != nil || len(missing) == 0 {
		return err
	}
	return fmt.Errorf("database %q: no table %s: -init creates and fills what is missing",
		pool.Config().ConnConfig.Database, strings.Join(missing, ", "))
}
