//go:build noprivatedb

package main

import (
	"context"
	"errors"
	"io"
)

// privateDatabase fails: this build is for images, which hold nothing that could start a Postgres. What does is a
// tenth of the binary.
func privateDatabase(context.Context, io.Writer) (url string, closeServer func() error, err error) {
	return "", nil, errors.New("DATABASE_URL is not set, and this build of the server cannot start a private Postgres")
}
