package proof

import (
	"context"

	"github.com/millrace/millrace/pipeline"
)

// armAtCommit arms the cutter when all stages of an attempt have succeeded: the next
// COMMIT is then that of the run.
func armAtCommit(c *cutter) func(context.Context) error {
	armed := false // once a pipeline: the retry shall pass
	return func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, c, func(context.Context) (pipeline.Unit, error) {
			if armed {
				return arming{}, nil
			}
			armed = true
			return arming{c}, nil
		})
		return err
	}
}

// arming is a unit that commits first and does nothing but arm.
type arming struct{ c *cutter }

func (arming) Name() string                   { return "cutter" }
func (arming) Phase() pipeline.Phase          { return pipeline.PhaseData - 1 }
func (arming) Prepare(context.Context) error  { return nil }
func (arming) Rollback(context.Context) error { return nil }
func (a arming) Commit(context.Context) error {
	if a.c != nil {
		a.c.armed.Store(true)
	}
	return nil
}
