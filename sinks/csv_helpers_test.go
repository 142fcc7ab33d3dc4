package sinks_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// total is the record of most tests of files.
type total struct {
	Product string `csv:"product"`
	Pieces  int    `csv:"pieces"`
}

// records is a source of what it is given.
func records[T any](all ...T) pipeline.Source[T] {
	return pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error {
		for _, r := range all {
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// write runs a pipeline of the source, the sink, and the steps, which begin when the
// sink has ended.
func write[T any](t *testing.T, o pipeline.Options, source pipeline.Source[T], sink pipeline.Sink[T], steps ...func(context.Context) error) (pipeline.Report, error) {
	t.Helper()
	p := pipeline.New("test", o)
	load := pipeline.To(pipeline.From(p, "extract", source), "load", sink)
	for _, step := range steps {
		pipeline.Do(p, "step", step, pipeline.After(load))
	}
	return p.Run(t.Context())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, content string) string {
	t.Helper()
	check(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}

// wantOnly says which files a folder holds.
func wantOnly(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	check(t, err)
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("in %s there are %q, want %q", filepath.Base(folder), got, names)
	}
}

// memoryLedger is a State that forgets with the process.
type memoryLedger struct {
	mu        sync.Mutex
	committed map[string]*pipeline.Commit
	failAfter error // what a commit returns that went through all the same
}

func newMemoryLedger() *memoryLedger { return &memoryLedger{committed: map[string]*pipeline.Commit{}} }

func (s *memoryLedger) Begin(_ context.Context, run pipeline.Run, _ []string) (pipeline.Recovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return pipeline.Recovered{Committed: s.committed[run.ID]}, nil
}

func (*memoryLedger) Fix(context.Context, pipeline.Run, map[string]pipeline.Range) error { return nil }

func (s *memoryLedger) Commit(ctx context.Context, run pipeline.Run, c pipeline.Commit) error {
	_, err := pipeline.Join(ctx, s, func(context.Context) (*unit, error) {
		return &unit{phase: pipeline.PhaseLedger, commit: func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.committed[run.ID] = &c
			return s.failAfter
		}}, nil
	})
	return err
}

// unit is a unit of work with a commit of the test's own.
type unit struct {
	phase   pipeline.Phase
	prepare func() error
	commit  func() error
}

func (*unit) Name() string            { return "the test's unit" }
func (u *unit) Phase() pipeline.Phase { return u.phase }
func (u *unit) Prepare(context.Context) error {
	if u.prepare == nil {
		return nil
	}
	return u.prepare()
}
func (u *unit) Commit(context.Context) error {
	if u.commit == nil {
		return nil
	}
	return u.commit()
}
func (*unit) Rollback(context.Context) error { return nil }

// joins is a step that joins the unit.
func joins(u *unit) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := pipeline.Join(ctx, u, func(context.Context) (*unit, error) { return u, nil })
		return err
	}
}
