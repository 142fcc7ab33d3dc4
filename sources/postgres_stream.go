package sources

import (
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// maxBatchBytes ends a batch early whose rows are large, so that memory is bounded by
// bytes and not only by rows.
const maxBatchBytes = 1 << 20

// stream decodes the rows of a result into batches and passes them on.
//
// The extended protocol was measured against COPY (...) TO STDOUT (FORMAT binary)
// on 2M rows of six columns, and neither was ahead: both send a row a message.
// Only the extended protocol takes parameters, and text for those types that have no
// binary form, so it is used for tables too.
func stream[T any](place string, rows *pgconn.ResultReader, decoder *pgcodec.Decoder[T], out *pipeline.Writer[T], stop func()) error {
	err := streamRows(place, rows, decoder, out)
	if err != nil {
		stop() // or Close would read the rest of the result
	}
	_, failure := rows.Close()
	if err != nil {
		return err
	}
	return failure
}

func streamRows[T any](place string, rows *pgconn.ResultReader, decoder *pgcodec.Decoder[T], out *pipeline.Writer[T]) error {
	batch, bytes := out.NewBatch(), 0
	for rows.NextRow() {
		values := rows.Values()
		var reject *pipeline.Reject
		var err error
		if batch, reject, err = decode(place, decoder, values, batch); err != nil {
			return err
		}
		if reject != nil {
			if err := out.Reject(*reject); err != nil {
				return &runError{err}
			}
			continue
		}
		bytes += size(values)
		if len(batch) == cap(batch) || bytes >= maxBatchBytes {
			out.AddBytes(int64(bytes))
			if err := out.WriteBatch(batch); err != nil {
				return &runError{err}
			}
			batch, bytes = out.NewBatch(), 0
		}
	}
	out.AddBytes(int64(bytes))
	if err := out.WriteBatch(batch); err != nil {
		return &runError{err}
	}
	return nil
}

// decode adds a row to the batch, or returns the reject that it is.
func decode[T any](place string, decoder *pgcodec.Decoder[T], values [][]byte, batch []T) ([]T, *pipeline.Reject, error) {
	var none T
	n := len(batch)
	batch = append(batch, none) // the memory may hold an old record
	err := decoder.Decode(values, &batch[n])
	if err == nil {
		return batch, nil, nil
	}
	var bad *pgcodec.ValueError
	if !errors.As(err, &bad) {
		return batch[:n], nil, err
	}
	reject := rejectOf(place, bad)
	return batch[:n], &reject, nil
}

func size(values [][]byte) (bytes int) {
	for _, v := range values {
		bytes += len(v)
	}
	return bytes
}

// runError is an error that comes from the run, not from the server: it is passed
// on as it is.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// rejectOf tells of a value that its field cannot hold.
func rejectOf(place string, bad *pgcodec.ValueError) pipeline.Reject {
	reason := bad.Reason
	if bad.Null {
		reason = "null, and " + reason
	}
	if bad.Err != nil {
		reason += ": " + bad.Err.Error()
	}
	return pipeline.Reject{Source: place, Column: bad.Column, Value: plainValue(bad.Value), Reason: reason}
}

// plainValue takes the quotes off, which a Reject puts on itself.
func plainValue(shown string) string {
	quoted := strings.TrimSuffix(shown, "...")
	if value, err := strconv.Unquote(quoted); err == nil {
		shown = value + shown[len(quoted):]
	}
	return shown
}
