package pgunit

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
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
	// Not inside of something that says more than that pgx was preparing a batch.
	if errors.As(err, &refused) && strings.HasSuffix(err.Error(), refused.Error()) &&
		(refused.Error() == err.Error() || strings.HasPrefix(err.Error(), "error preprocessing batch")) {
		err = &pgcatalog.ServerError{Err: refused}
	}
	if u.conn.Conn().IsClosed() {
		// pgconn closes the connection when it cannot send a row, which may be before it has read what the server said last.
		if errors.Is(err, net.ErrClosed) {
			return pipeline.Transient(fmt.Errorf("%s: the connection was lost while rows were sent; the server's log says why: %w", u.name, pgcatalog.OneLine(err)))
		}
		return pipeline.Transient(fmt.Errorf("%s: the connection was lost: %w", u.name, pgcatalog.OneLine(err)))
	}
	return err
}

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
