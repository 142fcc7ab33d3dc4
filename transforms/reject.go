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
// value may be empty when one value is not to blame. A long one is cut, and what is no text in it replaced.
// The error is permanent: where a stage tries again, as [Async] does, pipeline.Transient(Reject(...)) asks
// for that before the record is set aside.
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
