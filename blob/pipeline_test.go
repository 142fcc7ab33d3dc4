package blob

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

type item struct {
	N    int    `csv:"n"`
	Text string `csv:"text"`
}

// hook is a unit of work that only calls back.
type hook struct {
	phase           pipeline.Phase
	prepare, commit func() error
}

func (h *hook) Name() string                   { return "hook" }
func (h *hook) Phase() pipeline.Phase          { return h.phase }
func (h *hook) Rollback(context.Context) error { return nil }
func (h *hook) Prepare(context.Context) error  { return called(h.prepare) }
func (h *hook) Commit(context.Context) error   { return called(h.commit) }

func called(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

// hooked is a CSV file with a hook that comes before it where their phases are the same.
type hooked[T any] struct {
	sinks.CSV[T]
	hook *hook
}

func (s hooked[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	if _, err := pipeline.Join(ctx, s.hook, func(context.Context) (*hook, error) { return s.hook, nil }); err != nil {
		return err
	}
	return s.CSV.Load(ctx, in)
}

func text(t testing.TB, s Store, name string) string {
	t.Helper()
	b, err := get(s, files.Info{Name: name, Size: -1}, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatARunWritesIntoABucketAppearsAtItsCommit(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		put(t, s, "in/a.csv", []byte("n,text\n1,one\n"))
		put(t, s, "in/b.csv.gz", packed(t, "n,text\n2,two\n"))
		put(t, s, "out/all.csv", []byte("old\n"))
		const whole, ready = "n,text\n1,one\n2,two\n", "out/all.csv.millrace-run-1.tmp"
		inputs := []string{"in/a.csv", "in/b.csv.gz", "out/all.csv"}
		looked := 0
		look := func(want ...string) func() error {
			return func() error {
				looked++
				if got := names(t, s); !slices.Equal(got, want) {
					t.Errorf("there are %q, want %q", got, want)
				}
				if got := text(t, s, "out/all.csv"); got != "old\n" {
					t.Errorf("the target is %q", got)
				}
				return nil
			}
		}
		p := pipeline.New("copy", pipeline.Options{RunID: "run"})
		rows := pipeline.From(p, "read", sources.CSV[item]{Store: s, Path: "in/*.csv*"})
		pipeline.To(rows, "write", hooked[item]{
			CSV:  sinks.CSV[item]{Store: s, Path: "out/all.csv"},
			hook: &hook{phase: pipeline.PhaseData, prepare: look(inputs...), commit: look(append(slices.Clone(inputs), ready)...)},
		})
		if _, err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if looked != 2 {
			t.Errorf("looked %d times", looked)
		}
		if got := names(t, s); !slices.Equal(got, inputs) {
			t.Errorf("there are %q", got)
		}
		if got := text(t, s, "out/all.csv"); got != whole {
			t.Errorf("the target is %q", got)
		}
	})
}

// Whatever a run fails of, and whenever, the bucket is as it was.
func TestARunThatFailsLeavesNothingInABucket(t *testing.T) {
	no := errors.New("no")
	const many = 2000 // of 10 KiB each, so that parts have been sent
	long := strings.Repeat("x", 10<<10)
	for _, c := range []struct {
		name   string
		source func(cancel func()) error
		hook   hook
		want   error
	}{
		{"its source", func(func()) error { return no }, hook{}, no},
		{"another unit, while it prepares", nil, hook{phase: pipeline.PhaseFiles + 1, prepare: func() error { return no }}, no},
		{"another unit, while it commits", nil, hook{phase: pipeline.PhaseData, commit: func() error { return no }}, no},
		{"somebody who cancels it", func(cancel func()) error { cancel(); return nil }, hook{}, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, s Store) {
				put(t, s, "out/all.csv", []byte("old\n"))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := pipeline.New("fail", pipeline.Options{})
				rows := pipeline.From(p, "make", pipeline.SourceFunc[item](func(_ context.Context, out *pipeline.Writer[item]) error {
					for n := range many {
						if err := out.Write(item{n, long}); err != nil {
							return err
						}
					}
					if c.source == nil {
						return nil
					}
					return errors.Join(out.Flush(), c.source(cancel))
				}))
				h := c.hook
				pipeline.To(rows, "write", hooked[item]{CSV: sinks.CSV[item]{Store: s, Path: "out/all.csv"}, hook: &h})
				if _, err := p.Run(ctx); !errors.Is(err, c.want) {
					t.Errorf("got %v", err)
				}
				if got := names(t, s); !slices.Equal(got, []string{"out/all.csv"}) {
					t.Errorf("there are %q", got)
				}
				if got := text(t, s, "out/all.csv"); got != "old\n" {
					t.Errorf("the target is %q", got)
				}
			})
		})
	}
}

// dying is a bucket of a process that dies within a move.
type dying struct {
	Store
	copied bool
}

var errDead = errors.New("the process is dead")

func (d *dying) Move(ctx context.Context, from, to string) error {
	if d.copied {
		return errors.Join(d.Bucket.Copy(ctx, to, from, nil), errDead)
	}
	return errDead
}

// Between the database's commit and the file's, the process dies. The next attempt reads nothing and brings it to its end.
func TestTheNextAttemptPublishesWhatACommittedOneHadPrepared(t *testing.T) {
	pool := devdb.Test(t)
	everywhere(t, func(t *testing.T, s Store) {
		for _, copied := range []bool{false, true} {
			id := fmt.Sprint(t.Name(), copied)
			put(t, s, "out/all.csv", []byte("old\n"))
			read := 0
			attempt := func(n int, store files.Writable) error {
				p := pipeline.New("p", pipeline.Options{RunID: id, Attempt: n, State: sinks.PostgresState{Pool: pool}})
				rows := pipeline.From(p, "make", pipeline.SourceFunc[item](func(_ context.Context, out *pipeline.Writer[item]) error {
					read++
					return out.Write(item{n, "new"})
				}))
				pipeline.To(rows, "write", sinks.CSV[item]{Store: store, Path: "out/all.csv"})
				_, err := p.Run(t.Context())
				return err
			}
			if err := attempt(1, &dying{s, copied}); !errors.Is(err, errDead) {
				t.Fatalf("got %v", err)
			}
			want := "old\n"
			if copied {
				want = "n,text\n1,new\n"
			}
			if got := text(t, s, "out/all.csv"); got != want || len(names(t, s)) != 2 {
				t.Errorf("there are %q, and the target is %q", names(t, s), got)
			}
			if err := attempt(2, s); err != nil {
				t.Fatal(err)
			}
			if got := text(t, s, "out/all.csv"); got != "n,text\n1,new\n" || read != 1 {
				t.Errorf("the target is %q, and the source was read %d times", got, read)
			}
			if got := names(t, s); !slices.Equal(got, []string{"out/all.csv"}) {
				t.Errorf("there are %q", got)
			}
		}
	})
}

// What another run had prepared may still be wanted, for a week.
func TestWhatOtherRunsLeftInABucketGoesWhenItIsOld(t *testing.T) {
	clock := gofakes3.FixedTimeSource(time.Now().Add(-8 * 24 * time.Hour))
	s := openS3(t, newS3(t, s3mem.WithTimeSource(clock)).URL, "bucket")
	put(t, s, "out/all.csv.millrace-old-1.tmp", []byte("x"))
	put(t, s, "out/all.csv.bak", []byte("x"))
	put(t, s, "out/other.csv.millrace-old-1.tmp", []byte("x"))
	clock.Advance(2 * 24 * time.Hour)
	put(t, s, "out/all.csv.millrace-young-1.tmp", []byte("x"))
	put(t, s, "out/all.csv.millrace-run-1.tmp", []byte("x")) // an earlier attempt of this run
	clock.Advance(6 * 24 * time.Hour)
	p := pipeline.New("p", pipeline.Options{RunID: "run", Attempt: 2})
	pipeline.To(pipeline.From(p, "make", sources.Slice[item]{{1, "new"}}), "write", sinks.CSV[item]{Store: s, Path: "out/all.csv"})
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"out/all.csv", "out/all.csv.bak", "out/all.csv.millrace-young-1.tmp", "out/other.csv.millrace-old-1.tmp"}
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
}
