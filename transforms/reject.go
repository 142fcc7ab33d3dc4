package transforms

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/pipeline"
)

// maxRejectValue is in bytes: a reject quotes a value, it does not keep it.
const maxRejectValue = 256

// Reject returns an error that sets the record aside when a function given to
// a transform returns it, or one that wraps it. Any other error fails the run.
// column and value say what was wrong, reason says why:
//
//	return transforms.Reject("sale_date", sale.Date, "is in the future")
//
// value may be empty when one value is not to blame. It is cut after 256 bytes
// and freed of what is no text.
func Reject(column, value, reason string) error {
	return &rejection{pipeline.Reject{Column: column, Value: cleanValue(value), Reason: reason}}
}

type rejection struct{ reject pipeline.Reject }

func (r *rejection) Error() string { return r.reject.String() }

// setAside rejects the record that err is about. It returns what the stage must
// return: err itself if it is none of [Reject], the budget's error, or nil.
func setAside(reject func(pipeline.Reject) error, err error) error {
	var r *rejection
	if !errors.As(err, &r) {
		return err
	}
	return reject(r.reject)
}

// cleanValue makes of s what [pipeline.Reject] demands: valid UTF-8 without NUL.
func cleanValue(s string) string {
	if len(s) > maxRejectValue {
		cut := maxRejectValue
		for cut > maxRejectValue-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
