package pgcatalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// ServerError shows what the server said in full: the message, the detail and the
// hint, with the SQLSTATE last.
type ServerError struct{ Err *pgconn.PgError }

func (e *ServerError) Error() string {
	var b strings.Builder
	b.WriteString(e.Err.Message)
	if e.Err.Detail != "" {
		b.WriteString(": " + strings.TrimSuffix(e.Err.Detail, "."))
	}
	if e.Err.Hint != "" {
		b.WriteString(" (" + strings.TrimSuffix(e.Err.Hint, ".") + ")")
	}
	fmt.Fprintf(&b, " (SQLSTATE %s)", e.Err.Code)
	if e.Err.Code == "26000" || e.Err.Code == "42P05" {
		// The server has lost, or found, a statement that was prepared by name.
		b.WriteString("; a pooler between (PgBouncer) gives each transaction another connection: add default_query_exec_mode=exec to the database's URL, or set the pooler's pool_mode to session, or its max_prepared_statements")
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Unwrap returns the pgconn.PgError.
func (e *ServerError) Unwrap() error { return e.Err }

// SQLState is the error's code.
func (e *ServerError) SQLState() string { return e.Err.Code }

// copyPlace finds the line of a COPY in the context that the server gives: "COPY
// sales, line 3, column quantity". The words depend on the server's language, the
// order does not: the last number of the first line that names a COPY.
var copyPlace = regexp.MustCompile(`^COPY [^\n]*?, \S+ (\d+)`)

// CopyLine returns which row of a COPY an error is about, from 1; 0 unknown.
func CopyLine(err *pgconn.PgError) int64 {
	for line := range strings.SplitSeq(err.Where, "\n") {
		if m := copyPlace.FindStringSubmatch(line); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			return n
		}
	}
	return 0
}

// copyColumn finds the column in the same line.
var copyColumn = regexp.MustCompile(`^COPY [^\n]*?, \S+ \d+, \S+ ([^:\n]+)`)

// keyDetail reads "Key (a, b)=(1, 2) already exists."
var keyDetail = regexp.MustCompile(`\((.*?)\)=\((.*)\)`)

// Place returns the column and the value that a refusal is about, as far as the
// server tells.
func Place(err *pgconn.PgError) (column, value string) {
	column = err.ColumnName
	if column == "" {
		for line := range strings.SplitSeq(err.Where, "\n") {
			if m := copyColumn.FindStringSubmatch(line); m != nil {
				column = m[1]
				break
			}
		}
	}
	if m := keyDetail.FindStringSubmatch(err.Detail); m != nil && column == "" {
		column, value = m[1], m[2]
	}
	return column, value
}

// ConnectProblem gives an error of connecting to the pool's server one line: the
// place, no secret, the cause. A cancellation stays what it is.
func ConnectProblem(ctx context.Context, pool *pgxpool.Pool, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := pool.Config().ConnConfig
	where := fmt.Sprintf("database %q on %s:%d as user %q", c.Database, c.Host, c.Port, c.User)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", where, &ServerError{Err: refused})
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		err = connect.Unwrap()
	}
	return pipeline.Transient(fmt.Errorf("%s: cannot connect: %w", where, OneLine(err)))
}

// OneLine shows an error of several lines in one.
func OneLine(err error) error {
	if !strings.Contains(err.Error(), "\n") {
		return err
	}
	return &flatError{err}
}

type flatError struct{ err error }

func (e *flatError) Error() string {
	lines := strings.Split(e.err.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

func (e *flatError) Unwrap() error { return e.err }
