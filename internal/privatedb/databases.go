package privatedb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const minimalVersion = 13

// RandomHex returns n random bytes in hexadecimal.
func RandomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// createDatabase copies template, or template0 if that is empty: the one
// template that nobody can be connected to.
func createDatabase(ctx context.Context, adminURL, name, template string) error {
	if template == "" {
		template = "template0"
	}
	err := admin(ctx, adminURL, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+
			" TEMPLATE "+pgx.Identifier{template}.Sanitize())
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return fmt.Errorf("privatedb: the role of DATABASE_URL may not create databases, which tests need: "+
			"ALTER ROLE ... CREATEDB, or unset DATABASE_URL: %w", err)
	}
	if err != nil {
		return fmt.Errorf("privatedb: create database %s: %w", name, err)
	}
	return nil
}

// dropDatabase removes a database and the connections to it, if it is there.
func dropDatabase(ctx context.Context, adminURL, name string) error {
	err := admin(ctx, adminURL, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
		return err
	})
	if err != nil {
		return fmt.Errorf("privatedb: drop database %s: %w", name, err)
	}
	return nil
}

func admin(ctx context.Context, adminURL string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	err = do(conn)
	return errors.Join(err, conn.Close(ctx))
}

// withDatabase is the connection string with another database in it, in either
// of the forms that Postgres knows.
func withDatabase(conn, name string) (string, error) {
	if !strings.HasPrefix(conn, "postgres://") && !strings.HasPrefix(conn, "postgresql://") {
		return conn + " dbname=" + name, nil // the last one counts
	}
	u, err := url.Parse(conn)
	if err != nil {
		return "", errors.New("DATABASE_URL cannot be parsed") // the error would show the password
	}
	u.Path, u.RawPath = "/"+name, ""
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// serverVersion is what the server calls itself, such as "15.13".
func serverVersion(ctx context.Context, conn *pgx.Conn) (version string, err error) {
	var number int
	const query = "SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int"
	if err := conn.QueryRow(ctx, query).Scan(&version, &number); err != nil {
		return "", err
	}
	if number < minimalVersion*10000 {
		return "", fmt.Errorf("the server is version %s; %d or newer is needed", version, minimalVersion)
	}
	return version, nil
}

// AwaitServer connects until a connection succeeds, the server died, or time is
// up. It returns the address that served, and the server's version. The second
// address and those after it are for when nothing listens on the first.
func AwaitServer(ctx context.Context, urls []string, died func() error) (string, string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		version, err := greet(ctx, urls[0], 5*time.Second)
		if err == nil {
			return urls[0], version, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			for _, u := range urls[1:] {
				if version, err := greet(ctx, u, time.Second); err == nil {
					// Both may have come up since.
					if v, err := greet(ctx, urls[0], time.Second); err == nil {
						return urls[0], v, nil
					}
					return u, version, nil
				}
			}
		}
		if dead := died(); dead != nil {
			return "", "", dead
		}
		if late := Pause(ctx, 25*time.Millisecond); late != nil {
			return "", "", fmt.Errorf("it does not accept connections: %w (%w)", err, late)
		}
	}
}

func greet(ctx context.Context, at string, patience time.Duration) (version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, at)
	if err != nil {
		return "", err
	}
	version, err = serverVersion(ctx, conn)
	return version, errors.Join(err, conn.Close(ctx))
}
