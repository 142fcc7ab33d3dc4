package pgunit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// AbortedError is what a stage gets that uses the transaction after another
// statement of the run has failed in it.
type AbortedError struct {
	Unit string // `database "airflowdb"`
	Err  error  // the failure
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("%s: the run's transaction was aborted by an earlier error: %v", e.Unit, e.Err)
}

// Unwrap returns the failure.
func (e *AbortedError) Unwrap() error { return e.Err }

// explain gives an error of a statement the form that users see. pgx closes a
// connection after every error that is not a plain answer of the server.
func (u *Unit) explain(err error) error {
	if err == nil {
		return nil
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Error() == err.Error() { // not inside of something that says more
		err = &ServerError{Err: refused}
	}
	if u.conn.Conn().IsClosed() {
		// pgconn closes the connection when it cannot send a row, which may be before it has read what the server said last.
		if errors.Is(err, net.ErrClosed) {
			return pipeline.Transient(fmt.Errorf("%s: the connection was lost while rows were sent; the server's log says why: %w", u.name, oneLine(err)))
		}
		return pipeline.Transient(fmt.Errorf("%s: the connection was lost: %w", u.name, oneLine(err)))
	}
	return err
}

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
	return strings.Join(strings.Fields(b.String()), " ")
}

// Unwrap returns the pgconn.PgError.
func (e *ServerError) Unwrap() error { return e.Err }

// SQLState is the error's code.
func (e *ServerError) SQLState() string { return e.Err.Code }

// CopyError says which record a COPY was refused for, as far as that is known.
type CopyError struct {
	Table  string // as the user wrote it
	Record int64  // from 1, in the order in which the stage got them; 0 unknown
	Column string // "" unknown
	Err    error
}

func (e *CopyError) Error() string {
	s := "table " + strconv.Quote(e.Table) + ": "
	if e.Record > 0 {
		s += fmt.Sprintf("record %d: ", e.Record)
	}
	if e.Column != "" {
		s += fmt.Sprintf("column %q: ", e.Column)
	}
	return s + e.Err.Error()
}

// Unwrap returns the cause.
func (e *CopyError) Unwrap() error { return e.Err }

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
	return pipeline.Transient(fmt.Errorf("%s: cannot connect: %w", where, oneLine(err)))
}

// oneLine shows an error of several lines in one.
func oneLine(err error) error {
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
