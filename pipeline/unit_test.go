package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// diary notes what was asked of units, in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

// fakeUnit fails where it is told to.
type fakeUnit struct {
	name  string
	phase pipeline.Phase
	diary *diary
	fails map[string]error
}

func (u *fakeUnit) Name() string          { return u.name }
func (u *fakeUnit) Phase() pipeline.Phase { return u.phase }
func (u *fakeUnit) do(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		u.diary.note("%s %s with a context that has ended", what, u.name)
		return err
	}
	u.diary.note("%s %s", what, u.name)
	err := u.fails[what]
	if err != nil && err.Error() == "panic" {
		panic(err)
	}
	return err
}
func (u *fakeUnit) Prepare(ctx context.Context) error  { return u.do(ctx, "prepare") }
func (u *fakeUnit) Commit(ctx context.Context) error   { return u.do(ctx, "commit") }
func (u *fakeUnit) Rollback(ctx context.Context) error { return u.do(ctx, "rollback") }

// join is a step that joins a unit.
func join(u *fakeUnit) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, u.name, func(context.Context) (*fakeUnit, error) {
			u.diary.note("begin %s", u.name)
			return u, u.fails["begin"]
		})
		return err
	}
}

// unitPipeline joins the units one after the other, in the order given.
func unitPipeline(o pipeline.Options, units ...*fakeUnit) *pipeline.Pipeline {
	p := pipeline.New("units", o)
	var last *pipeline.Stage
	for _, u := range units {
		last = pipeline.Do(p, "join "+u.name, join(u), pipeline.After(last))
	}
	return p
}

func TestUnitsCommitAfterAllWerePreparedDatabasesFirst(t *testing.T) {
	var d diary
	file := &fakeUnit{name: "file", phase: pipeline.PhaseFiles, diary: &d}
	ledger := &fakeUnit{name: "ledger", phase: pipeline.PhaseLedger, diary: &d}
	data := &fakeUnit{name: "data", diary: &d}
	mustRun(t, unitPipeline(pipeline.Options{}, file, ledger, data))
	want := []string{
		"begin file", "begin ledger", "begin data",
		"prepare data", "prepare ledger", "prepare file",
		"commit data", "commit ledger", "commit file",
	}
	if !slices.Equal(d.entries, want) {
		t.Fatalf("got  %v\nwant %v", d.entries, want)
	}
}

func TestOneKeyIsOneUnit(t *testing.T) {
	var d diary
	u := &fakeUnit{name: "shared", diary: &d}
	p := pipeline.New("units", pipeline.Options{})
	for i := range 20 {
		pipeline.Do(p, fmt.Sprint("step", i), join(u))
	}
	mustRun(t, p)
	if want := []string{"begin shared", "prepare shared", "commit shared"}; !slices.Equal(d.entries, want) {
		t.Fatalf("got %v, want %v", d.entries, want)
	}
}

func TestAFailedRunRollsEverythingBack(t *testing.T) {
	t.Run("a stage failed", func(t *testing.T) {
		var d diary
		p := pipeline.New("units", pipeline.Options{})
		a := pipeline.Do(p, "a", join(&fakeUnit{name: "a", diary: &d}))
		b := pipeline.Do(p, "b", join(&fakeUnit{name: "b", diary: &d}), pipeline.After(a))
		pipeline.Do(p, "broken", func(context.Context) error { return errBroken }, pipeline.After(b))
		if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		if want := []string{"begin a", "begin b", "rollback b", "rollback a"}; !slices.Equal(d.entries, want) {
			t.Fatalf("got %v, want %v", d.entries, want)
		}
	})
	t.Run("the run was cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			p := pipeline.New("units", pipeline.Options{})
			a := pipeline.Do(p, "a", join(&fakeUnit{name: "a", diary: &d}))
			pipeline.Do(p, "waits", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, pipeline.After(a))
			e := p.Start(t.Context())
			time.Sleep(time.Second)
			e.Cancel(nil)
			if _, err := e.Wait(); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			if want := []string{"begin a", "rollback a"}; !slices.Equal(d.entries, want) {
				t.Fatalf("got %v, want %v", d.entries, want)
			}
		})
	})
	for _, how := range []error{errBroken, errors.New("panic")} {
		t.Run("a unit could not be prepared: "+how.Error(), func(t *testing.T) {
			var d diary
			p := unitPipeline(pipeline.Options{},
				&fakeUnit{name: "a", diary: &d}, &fakeUnit{name: "b", diary: &d, fails: map[string]error{"prepare": how}})
			if _, err := p.Run(t.Context()); !errors.Is(err, how) {
				t.Fatal(err)
			}
			if want := []string{"begin a", "begin b", "prepare a", "prepare b", "rollback b", "rollback a"}; !slices.Equal(d.entries, want) {
				t.Fatalf("got %v, want %v", d.entries, want)
			}
		})
	}
	t.Run("a unit could not begin", func(t *testing.T) {
		var d diary
		p := unitPipeline(pipeline.Options{}, &fakeUnit{name: "a", diary: &d}, &fakeUnit{name: "b", diary: &d, fails: map[string]error{"begin": errBroken}})
		if _, err := p.Run(t.Context()); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		if want := []string{"begin a", "begin b", "rollback a"}; !slices.Equal(d.entries, want) {
			t.Fatalf("got %v, want %v", d.entries, want)
		}
	})
	t.Run("a rollback that fails does not hide the cause", func(t *testing.T) {
		var d diary
		u := &fakeUnit{name: "a", diary: &d, fails: map[string]error{"prepare": errBroken, "rollback": errors.New("gone")}}
		if _, err := unitPipeline(pipeline.Options{}, u).Run(t.Context()); !errors.Is(err, errBroken) || strings.Contains(err.Error(), "gone") {
			t.Fatal(err)
		}
	})
}

func TestAFailedCommitSaysWhatIsDone(t *testing.T) {
	run := func(t *testing.T, o pipeline.Options, failing error) (*diary, error) {
		t.Helper()
		var d diary
		_, err := unitPipeline(o,
			&fakeUnit{name: "one", diary: &d},
			&fakeUnit{name: "two", diary: &d, fails: map[string]error{"commit": failing}},
			&fakeUnit{name: "three", diary: &d}).Run(t.Context())
		return &d, err
	}
	t.Run("the first was committed, so without a ledger a retry would do it twice", func(t *testing.T) {
		d, err := run(t, pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 5}}, errBroken)
		var ce *pipeline.CommitError
		if !errors.As(err, &ce) || !slices.Equal(ce.Committed, []string{"one"}) || ce.Failed != "two" || ce.Unknown {
			t.Fatalf("error %v", err)
		}
		if !pipeline.IsPermanent(err) || !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "Options.State") {
			t.Fatalf("error %v", err)
		}
		want := []string{"rollback three", "rollback two", "rollback one"}
		if got := d.entries[len(d.entries)-3:]; !slices.Equal(got, want) {
			t.Fatalf("what was left was not released: %v", d.entries)
		}
	})
	t.Run("an answer that was lost", func(t *testing.T) {
		_, err := run(t, pipeline.Options{}, fmt.Errorf("eof: %w", pipeline.ErrOutcomeUnknown))
		var ce *pipeline.CommitError
		if !errors.As(err, &ce) || !ce.Unknown || !pipeline.IsPermanent(err) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestACancellationDuringTheCommitDoesNotTearIt(t *testing.T) {
	var d diary
	var e *pipeline.Execution
	started := make(chan struct{})
	first := &fakeUnit{name: "first", diary: &d}
	p := pipeline.New("units", pipeline.Options{})
	a := pipeline.Do(p, "a", func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, "first", func(context.Context) (pipeline.Unit, error) {
			return cancelling{first, func() { <-started; e.Cancel(errors.New("too late")) }}, nil
		})
		return err
	})
	pipeline.Do(p, "b", join(&fakeUnit{name: "second", diary: &d}), pipeline.After(a))
	e = p.Start(t.Context())
	close(started)
	rep, err := e.Wait()
	if err != nil || rep.State != pipeline.StateSucceeded {
		t.Fatalf("state %s, error %v", rep.State, err)
	}
	if got := d.entries[len(d.entries)-2:]; !slices.Equal(got, []string{"commit first", "commit second"}) {
		t.Fatalf("got %v", d.entries)
	}
}

type cancelling struct {
	*fakeUnit
	cancel func()
}

func (c cancelling) Commit(ctx context.Context) error { c.cancel(); return c.fakeUnit.Commit(ctx) }

func TestJoinOutsideARunIsAnError(t *testing.T) {
	_, err := pipeline.Join(t.Context(), "key", func(context.Context) (pipeline.Unit, error) {
		t.Error("begun without a run")
		return nil, nil
	})
	if err == nil {
		t.Fatal("no error")
	}
}

func TestJoinSaysWhenAKeyIsOfAnotherType(t *testing.T) {
	var d diary
	p := pipeline.New("units", pipeline.Options{})
	a := pipeline.Do(p, "a", join(&fakeUnit{name: "key", diary: &d}))
	pipeline.Do(p, "b", func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, "key", func(context.Context) (cancelling, error) { return cancelling{}, nil })
		return err
	}, pipeline.After(a))
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "fakeUnit") {
		t.Fatalf("error %v", err)
	}
}
