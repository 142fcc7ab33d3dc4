package sources

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
)

// extractInRun reads through the run's own connection, by a cursor. The connection does one thing at a
// time: each fetch is over before anything of it is written to the stream, whose readers may
// wait for the connection themselves.
func extractInRun[T any](ctx context.Context, r *pgSource, out *pipeline.Writer[T]) error {
	unit, err := pgunit.Join(ctx, r.pool)
	if err != nil {
		return r.at(err)
	}
	if unit.Done() {
		pipeline.LoggerFrom(ctx).Info("an earlier attempt has committed this database: what it wrote is there for everybody")
		return extractOutside(ctx, r, out)
	}
	cursor := unit.NewCursor()
	var decoder *pgcodec.Decoder[T]
	d, err := r.declare(ctx, unit, cursor, func(conn *pgx.Conn, d *pgDescription) (err error) {
		decoder, err = pgcodec.NewDecoder[T](d.columns, conn.TypeMap())
		return err
	})
	if err != nil {
		return err
	}
	place := r.place()
	for more := true; more; {
		var batches [][]T
		var rejects []pipeline.Reject
		batch, bytes := out.NewBatch(), 0
		more, err = cursor.Fetch(ctx, d.resultFormats, func(values [][]byte) error {
			if len(batch) == cap(batch) {
				batches = append(batches, batch)
				batch = out.NewBatch()
			}
			bytes += size(values)
			decoded, reject, err := decode(place, decoder, values, batch)
			if reject != nil {
				rejects = append(rejects, *reject)
			}
			batch = decoded
			return err
		})
		if err != nil {
			return r.inRunProblem(ctx, err)
		}
		out.AddBytes(int64(bytes))
		for _, reject := range rejects {
			if err := out.Reject(reject); err != nil {
				return err
			}
		}
		for _, batch := range append(batches, batch) {
			if err := out.WriteBatch(batch); err != nil {
				return err
			}
		}
	}
	return r.at(cursor.Close(ctx))
}

// declare describes what is read and declares the cursor, in one turn.
func (r *pgSource) declare(ctx context.Context, unit *pgunit.Unit, cursor *pgunit.Cursor, fit func(*pgx.Conn, *pgDescription) error) (d *pgDescription, err error) {
	turn, err := unit.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer turn.Release()
	read := func() error {
		return turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) (err error) {
			if d, err = r.describe(ctx, conn, pipeline.Range{}, pgPart{}); err != nil {
				return err
			}
			if err := fit(conn, d); err != nil {
				return r.misfit(err)
			}
			// The locks come before the cursor's snapshot.
			if err := r.plan(ctx, conn, d); err != nil {
				return err
			}
			return cursor.Declare(ctx, conn, trimQuery(d.sql), d.params, d.paramFormats)
		})
	}
	if setsLockTimeout(r.pool.Config().ConnConfig) {
		err = read()
	} else {
		err = turn.WithLockTimeout(ctx, lockPatience, read)
	}
	return d, r.inRunProblem(ctx, err)
}

// inRunProblem gives an error of the run's transaction the form that users see.
func (r *pgSource) inRunProblem(ctx context.Context, err error) error {
	var refused *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err
	case errors.Is(err, errNoPlan):
		return pipeline.Permanent(r.at(errNoCursor))
	case !errors.As(err, &refused):
		return r.at(err)
	case refused.Code != lockNotAvailable:
		return r.at(r.refusal(refused))
	}
	conn, failed := r.acquire(ctx)
	if failed != nil {
		return r.at(&pgcatalog.ServerError{Err: refused})
	}
	defer conn.Release()
	return r.at(r.lockProblem(conn, err))
}

var errNoCursor = errors.New("with InRun it is read by a cursor, which only SELECT, VALUES and TABLE can be")
