package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

func TestARecordsLoopThatPanicsEndsItsSourceFirst(t *testing.T) {
	boom := errors.New("boom")
	var gone atomic.Bool
	endless := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
		defer gone.Store(true)
		for {
			if err := out.Write(1); err != nil {
				return err
			}
		}
	})
	defer func() {
		if v := recover(); v != boom { //nolint:errorlint // the very value of the panic
			t.Errorf("recovered %v", v)
		}
		if !gone.Load() {
			t.Error("the source outlived the loop over its records")
		}
	}()
	for _, err := range pipeline.Records(t.Context(), endless) {
		if err == nil {
			panic(boom)
		}
	}
}
