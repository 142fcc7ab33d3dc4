package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/pipeline"
)

// Validate passes on the records that keep every rule, and sets the others
// aside, each for the first rule that it breaks.
//
//	transforms.Validate[Sale]{Rules: []transforms.Rule[Sale]{{
//		Column: "quantity",
//		Valid:  func(s *Sale) bool { return s.Quantity > 0 },
//		Value:  func(s *Sale) any { return s.Quantity },
//		Reason: "is not positive",
//	}}}
//
// The run's budget, pipeline.Options.MaxRejects, says how many may be set aside: by
// default none, so that the first bad record fails the run. To drop them without
// a trace use [Filter]; for a rule that has to compute its reason, [Update] with
// [Reject].
type Validate[T any] struct {
	// Rules are asked in this order. Without any every record is valid.
	Rules []Rule[T]
}

// Rule is what a record must keep.
type Rule[T any] struct {
	// Column is what the rule is about, for the reject. May be empty, for a rule
	// about the whole record.
	Column string

	// Valid tells whether a record keeps the rule. Required. It must not change
	// the record.
	Valid func(record *T) bool

	// Value returns what the reject shows as the offending value. It is called for
	// invalid records only. Defaults to showing none.
	Value func(record *T) any

	// Reason completes the sentence that begins with the value: "is not positive".
	// Defaults to "is not valid".
	Reason string
}

// Validate checks that each rule can be asked.
func (v Validate[T]) Validate(context.Context) error {
	for i, rule := range v.Rules {
		if rule.Valid == nil {
			return pipeline.Permanent(fmt.Errorf("transforms.Validate: rule %d (column %q): Valid is nil: it cannot work without", i+1, rule.Column))
		}
	}
	return nil
}

// Transform sets the invalid records aside.
func (v Validate[T]) Transform(_ context.Context, in *pipeline.Reader[T], out *pipeline.Writer[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		kept := 0
		for i := range batch {
			if broken := v.broken(&batch[i]); broken != nil {
				if err := in.Reject(&batch[i], broken.reject(&batch[i])); err != nil {
					return err
				}
				continue
			}
			if kept != i {
				batch[kept] = batch[i]
			}
			kept++
		}
		if err := passOn(in, out, batch[:kept]); err != nil {
			return err
		}
	}
	return nil
}

// broken returns the first rule that the record breaks, nil if it keeps all.
func (v Validate[T]) broken(record *T) *Rule[T] {
	for i := range v.Rules {
		if !v.Rules[i].Valid(record) {
			return &v.Rules[i]
		}
	}
	return nil
}

func (r *Rule[T]) reject(record *T) pipeline.Reject {
	reject := pipeline.Reject{Column: r.Column, Reason: r.Reason}
	if r.Value != nil {
		reject.Value = fmt.Sprint(r.Value(record))
	}
	if reject.Reason == "" {
		reject.Reason = "is not valid"
	}
	return reject
}
