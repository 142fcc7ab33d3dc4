package pipeline_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// leftover is a source that leaves a goroutine behind, which goes on once the source has ended.
type leftover struct {
	first int // how many records it writes itself
	ended <-chan struct{}
	work  func(out *pipeline.Writer[int])
	gone  chan struct{}
}

func (l leftover) Extract(_ context.Context, out *pipeline.Writer[int]) error {
	for i := range l.first {
		if err := out.Write(i); err != nil {
			return err
		}
	}
	go func() {
		defer close(l.gone)
		<-l.ended
		l.work(out)
	}()
	return nil
}

func TestAGoroutineThatAStageLeftBehindGetsAnError(t *testing.T) {
	for name, write := range map[string]func(*pipeline.Writer[int]) error{
		"from Write":              func(w *pipeline.Writer[int]) error { return w.Write(1) },
		"from Write of many":      func(w *pipeline.Writer[int]) error { _, _ = w.Write(1), w.Write(2); return w.Write(3) },
		"from WriteBatch":         func(w *pipeline.Writer[int]) error { return w.WriteBatch([]int{1, 2, 3}) },
		"from WriteBatch of none": func(w *pipeline.Writer[int]) error { return w.WriteBatch(nil) },
		"from Flush":              func(w *pipeline.Writer[int]) error { return w.Flush() },
		"from Reject":             func(w *pipeline.Writer[int]) error { return w.Reject(pipeline.Reject{Reason: "late"}) },
	} {
		t.Run(name, func(t *testing.T) {
			ended, gone := make(chan struct{}), make(chan struct{})
			var late error
			p := pipeline.New("p", pipeline.Options{BatchSize: 2, MaxRejects: -1})
			early := pipeline.From(p, "early", leftover{first: 3, ended: ended, gone: gone, work: func(w *pipeline.Writer[int]) { late = write(w) }})
			var got collector[int]
			load := pipeline.To(early, "load", &got)
			pipeline.Do(p, "tell", func(context.Context) error { close(ended); return nil }, pipeline.After(early, load))
			// The run goes on meanwhile, so that the error is not that of its end.
			pipeline.Do(p, "wait", func(context.Context) error { <-gone; return nil })
			report := mustRun(t, p)
			if late == nil {
				t.Error("the late goroutine was told that all is well")
			}
			if len(got.got) != 3 || report.Stage("early").RecordsOut != 3 || report.Rejects != 0 {
				t.Errorf("got %d records, the report says %d, and %d rejects", len(got.got), report.Stage("early").RecordsOut, report.Rejects)
			}
		})
	}
}

// The goroutine is inside Write when its stage returns, because nobody reads yet.
func TestAGoroutineThatIsSendingWhenItsStageReturnsBreaksNothing(t *testing.T) {
	for range 50 {
		read, gone := make(chan struct{}), make(chan struct{})
		ended := make(chan struct{})
		close(ended)
		p := pipeline.New("p", pipeline.Options{BatchSize: 1, Buffer: 1})
		sent := 0
		early := pipeline.From(p, "early", leftover{ended: ended, gone: gone, work: func(w *pipeline.Writer[int]) {
			for range 100 {
				if err := w.WriteBatch([]int{1}); err != nil {
					return
				}
				sent++
			}
		}})
		var got collector[int]
		pipeline.To(early, "load", pipeline.SinkFunc[int](func(ctx context.Context, in *pipeline.Reader[int]) error {
			<-read
			return got.Load(ctx, in)
		}))
		pipeline.Do(p, "read", func(context.Context) error { close(read); <-gone; return nil })
		mustRun(t, p)
		if len(got.got) != sent {
			t.Fatalf("%d records were sent without an error, %d arrived", sent, len(got.got))
		}
	}
}
