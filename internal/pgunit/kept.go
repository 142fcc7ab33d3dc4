package pgunit

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/pipeline"
)

// KeptError says that the server took fewer rows than it was sent, and called that a success: a row trigger BEFORE
// INSERT or UPDATE has answered NULL for the others.
type KeptError struct {
	Rows, Sent int64    // Rows of Sent are missing
	Triggers   []string // that can have done it; none if somebody has dropped it since
}

func (e *KeptError) Error() string {
	return fmt.Sprintf("%d of %d rows are not in it: %s", e.Rows, e.Sent, e.Reason())
}

// Reason is what is true of each row.
func (e *KeptError) Reason() string {
	who := "a trigger"
	if len(e.Triggers) > 0 {
		who += " (" + strings.Join(e.Triggers, ", ") + ")"
	}
	return who + " answered NULL, which keeps a row out; leave such records out before the sink, or change the trigger"
}

// kept holds what the server took against what it was sent.
func (t CopyTarget) kept(sent int64, tag pgconn.CommandTag) error {
	if tag.RowsAffected() >= sent {
		return nil
	}
	return pipeline.Permanent(&KeptError{Rows: sent - tag.RowsAffected(), Sent: sent, Triggers: t.Before})
}

// isRefusal tells an answer to a statement, after which a savepoint can be gone back to, from a failure of everything else.
func isRefusal(err error) bool {
	var refused *pgconn.PgError
	var kept *KeptError
	return errors.As(err, &refused) || errors.As(err, &kept)
}
