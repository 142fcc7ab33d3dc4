package transforms

import (
	"errors"

	"github.com/millrace/millrace/pipeline"
)

// Reject returns an error that sets the record aside when a function given to
// a transform returns it, or one that wraps it. Any other error fails the run.
// column and value say what was wrong, reason says why:
//
//	return transforms.Reject("sale_date", sale.Date, "is in the future")
//
// value may be empty when no single value is to blame. A long one is cut, and what is no text in it is replaced.
// The error is permanent: a stage that can try again, as [Async] can, does so only after
// pipeline.Transient(Reject(...)), and sets the record aside when its tries are used up.
func Reject(column, value, reason string) error {
	return pipeline.Permanent(&rejection{pipeline.Reject{Column: column, Value: value, Reason: reason}})
}

type rejection struct{ reject pipeline.Reject }

func (r *rejection) Error() string { return r.reject.String() }

// setAside rejects the record that err is about. It returns what the stage must
// return: err itself if it is none of [Reject], the budget's error, or nil.
func setAside[T any](reject func(*T, pipeline.Reject) error, record *T, err error) error {
	var r *rejection
	if !errors.As(err, &r) {
		return err
	}
	return reject(record, r.reject)
}
