package pgunit

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
)

// Each runs a statement for each of n rows, whose parameters are in the format and of the types given, each
// under a savepoint of its own, in one exchange. It returns what the server refused each row for, nil for a row
// that it took; a [*KeptError], which names no trigger, for one that the statement did not touch. err is of everything
// else; it ends the run.
//
// Three groups of messages a row go out without waiting for an answer: the statement; RELEASE and SAVEPOINT; ROLLBACK
// TO SAVEPOINT. After a statement that worked the savepoint is moved behind it, and the rollback has nothing to undo. After
// one that failed the server skips the second group, and the rollback undoes the row alone. So each row is
// judged by itself without a question to the server in between, a temporary table, or a procedural language.
func (t *Turn) Each(ctx context.Context, statement string, types []uint32, format pgcodec.Format, n int, row func(i int) [][]byte) (refused []error, err error) {
	refused = make([]error, n)
	err = t.do(ctx, 0, func(ctx context.Context, conn *pgx.Conn) error {
		pipe := conn.PgConn().StartPipeline(ctx)
		sent := eachRow(pipe, statement, types, format, n, row)
		read := eachResult(pipe, refused)
		if closed := pipe.Close(); sent == nil && read == nil {
			var answer *pgconn.PgError
			if !errors.As(closed, &answer) { // the refusals were read before
				return closed
			}
		}
		return errors.Join(sent, read)
	})
	if err != nil {
		t.unit.fail(err)
		return nil, err
	}
	var taken int64
	for _, e := range refused {
		if e == nil {
			taken++
		}
	}
	t.unit.rows.Add(taken)
	return refused, nil
}

// The statements that Each prepares. They are gone again when it returns.
const (
	eachStatement = "millrace_each"
	eachRelease   = "millrace_each_release"
	eachSave      = "millrace_each_save"
	eachUndo      = "millrace_each_undo"
)

func eachRow(pipe *pgconn.Pipeline, statement string, types []uint32, format pgcodec.Format, n int, row func(i int) [][]byte) error {
	formats := []int16{format.Code()}
	pipe.SendPrepare(eachRelease, "release savepoint millrace", nil)
	pipe.SendPrepare(eachSave, "savepoint millrace", nil)
	pipe.SendPrepare(eachUndo, "rollback to savepoint millrace", nil)
	pipe.SendPrepare(eachStatement, statement, types)
	pipe.SendQueryPrepared(eachSave, nil, nil, nil)
	pipe.SendPipelineSync()
	for i := range n {
		pipe.SendQueryPrepared(eachStatement, row(i), formats, nil)
		pipe.SendPipelineSync()
		pipe.SendQueryPrepared(eachRelease, nil, nil, nil)
		pipe.SendQueryPrepared(eachSave, nil, nil, nil)
		pipe.SendPipelineSync()
		pipe.SendQueryPrepared(eachUndo, nil, nil, nil)
		pipe.SendPipelineSync()
	}
	pipe.SendQueryPrepared(eachRelease, nil, nil, nil)
	for _, name := range []string{eachStatement, eachRelease, eachSave, eachUndo} {
		pipe.SendDeallocate(name)
	}
	return pipe.Sync()
}

// eachResult reads the answers: a group of messages ends with a sync.
func eachResult(pipe *pgconn.Pipeline, refused []error) error {
	for group := 0; ; {
		result, err := pipe.GetResults()
		switch result := result.(type) {
		case nil:
			if err == nil {
				return nil
			}
		case *pgconn.PipelineSync:
			group++
		case *pgconn.ResultReader:
			var tag pgconn.CommandTag
			tag, err = result.Close()
			if i := (group - 1) / 3; err == nil && group > 0 && (group-1)%3 == 0 && i < len(refused) && tag.RowsAffected() == 0 {
				refused[i] = &KeptError{Rows: 1, Sent: 1}
			}
		}
		if err == nil {
			continue
		}
		var answer *pgconn.PgError
		if !errors.As(err, &answer) {
			return err
		}
		i := (group - 1) / 3
		switch {
		case group == 0 || i >= len(refused):
			return err
		case (group-1)%3 == 0:
			refused[i] = &pgcatalog.ServerError{Err: answer}
		case (group-1)%3 == 1 && refused[i] != nil: // "the current transaction is aborted", as it should be
		default:
			return err
		}
	}
}
