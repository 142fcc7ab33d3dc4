//go:build !noprivatedb

package main

import (
	"context"
	"io"

	"github.com/millrace/millrace/internal/privatedb"
)

// privateDatabase starts a Postgres that is gone when the server is, and says so in one line.
func privateDatabase(ctx context.Context, w io.Writer) (url string, closeServer func() error, err error) {
	s, err := privatedb.Start(ctx, privatedb.Options{Log: w})
	if err != nil {
		return "", nil, err
	}
	return s.URL(), s.Close, nil
}
