package pipelinetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

// pages reads a feed whose next token is known only after a page was read.
type pages struct {
	feed *[]string // page n has the token n
	fail int       // after so many pages; 0 never
}

func (pages) Incremental() bool { return true }

func (pages) Bound(context.Context, json.RawMessage) (json.RawMessage, error) { return nil, nil }

func (s pages) Extract(ctx context.Context, out *pipeline.Writer[string]) error {
	rng, _ := pipeline.RangeFrom(ctx)
	token := 0
	if rng.From != nil {
		if err := json.Unmarshal(rng.From, &token); err != nil {
			return err
		}
	}
	for i, page := range (*s.feed)[token:] {
		if err := out.Write(page); err != nil {
			return err
		}
		if err := pipeline.MoveCursor(ctx, json.RawMessage(strconv.Itoa(token+i+1))); err != nil {
			return err
		}
		if s.fail > 0 && i+1 == s.fail {
			return errors.New("the feed broke off")
		}
	}
	return nil
}

func TestACursorThatIsKnownOnlyAfterReadingMovesWithTheCommit(t *testing.T) {
	state, feed := &pipelinetest.State{}, []string{"a", "b", "c"}
	load := func(fail int) (got []string, err error) {
		p := pipeline.New("feed", pipeline.Options{State: state})
		pipeline.To(pipeline.From(p, "pages", pages{&feed, fail}), "load", pipeline.SinkFunc[string](func(_ context.Context, in *pipeline.Reader[string]) error {
			for page, err := range in.All() {
				if err != nil {
					return err
				}
				got = append(got, page)
			}
			return nil
		}))
		_, err = p.Run(t.Context())
		return got, err
	}
	steps := []struct {
		fail   int
		add    string
		want   string
		cursor string
	}{
		{0, "", "[a b c]", "3"},
		{0, "", "[]", "3"}, // no report: it stays
		{1, "d e", "", "3"},
		{0, "", "[d e]", "5"},
	}
	for i, step := range steps {
		feed = append(feed, strings.Fields(step.add)...)
		got, err := load(step.fail)
		if (err != nil) != (step.fail > 0) || err == nil && fmt.Sprint(got) != step.want {
			t.Errorf("step %d: %v, %v, want %s", i, got, err, step.want)
		}
		if cursor := string(state.Cursor("feed", "pages")); cursor != step.cursor {
			t.Errorf("step %d: the cursor is %s, want %s", i, cursor, step.cursor)
		}
	}
}

func TestMoveCursorSaysWhatIsWrong(t *testing.T) {
	if err := pipeline.MoveCursor(t.Context(), json.RawMessage("1")); err == nil || !strings.Contains(err.Error(), "not of a stage") {
		t.Errorf("outside a run: %v", err)
	}
	got := pipelinetest.RunSource(t.Context(), pipeline.SourceFunc[int](func(ctx context.Context, _ *pipeline.Writer[int]) error {
		return pipeline.MoveCursor(ctx, json.RawMessage("1"))
	}))
	if got.Err == nil || !strings.Contains(got.Err.Error(), "does not read incrementally") {
		t.Errorf("a source that is not incremental: %v", got.Err)
	}
}

func TestTheStateInMemoryKeepsTheRules(t *testing.T) {
	state := &pipelinetest.State{}
	run := func(id string, attempt int, step func(context.Context) error) (pipeline.Report, []int, error) {
		var got []int
		p := pipeline.New("p", pipeline.Options{State: state, RunID: id, Attempt: attempt})
		from := pipeline.From(p, "from", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error { return out.Write(7) }))
		pipeline.To(from, "to", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
			for n, err := range in.All() {
				if err != nil {
					return err
				}
				got = append(got, n)
			}
			return nil
		}))
		pipeline.Do(p, "step", step)
		report, err := p.Run(t.Context())
		return report, got, err
	}
	fine := func(context.Context) error { return nil }
	if _, _, err := run("a", 1, func(context.Context) error { return errors.New("no") }); err == nil {
		t.Fatal("no error")
	}
	if _, ok := state.Committed("p", "a"); ok {
		t.Error("a run that failed is in the ledger")
	}
	if _, got, err := run("a", 2, fine); err != nil || !slices.Equal(got, []int{7}) {
		t.Errorf("%v, %v", got, err)
	}
	if c, ok := state.Committed("p", "a"); !ok || c.Attempt != 2 || c.Rows != 1 {
		t.Errorf("in the ledger: %+v, %v", c, ok)
	}
	if report, got, err := run("a", 3, fine); err != nil || !report.AlreadyCommitted || got != nil {
		t.Errorf("once more: %v, %v, %v", report.AlreadyCommitted, got, err)
	}
	// An attempt that was thought dead and goes on.
	_, _, err := run("b", 1, func(context.Context) error {
		_, err := state.Begin(t.Context(), pipeline.Run{Pipeline: "p", ID: "b", Attempt: 2}, nil)
		return err
	})
	if !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("a superseded attempt: %v", err)
	}
}
