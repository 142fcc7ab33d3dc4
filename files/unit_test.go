package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/files/filestest"
	"github.com/millrace/millrace/pipeline"
)

// memory is a store as buckets are: a draft is published by its Close, a Move is not atomic.
type memory struct {
	mu    sync.Mutex
	files map[string]object
	count int
	fault func(op string) error // of the next step
}

type object struct {
	content  string
	version  int
	modified time.Time
}

func newMemory() *memory { return &memory{files: map[string]object{}} }

func (m *memory) step(op string) error {
	if m.fault == nil {
		return nil
	}
	return m.fault(op)
}

func (m *memory) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *memory) content(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[name].content
}

func (m *memory) List(_ context.Context, prefix string) iter.Seq2[files.Info, error] {
	return func(yield func(files.Info, error) bool) {
		for _, name := range m.names() {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			if info, err := m.Stat(context.Background(), name); err == nil && !yield(info, nil) {
				return
			}
		}
	}
}

func (m *memory) Stat(_ context.Context, name string) (files.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.files[name]
	if !ok {
		return files.Info{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return files.Info{Name: name, Size: int64(len(o.content)), Modified: o.modified, Version: fmt.Sprint(o.version)}, nil
}

func (m *memory) Open(ctx context.Context, f files.Info, from, to int64) (io.ReadCloser, error) {
	now, err := m.Stat(ctx, f.Name)
	if err == nil && f.Version != "" && now.Version != f.Version {
		err = files.ErrChanged
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	content := m.content(f.Name)
	if to < 0 {
		to = int64(len(content))
	}
	return io.NopCloser(strings.NewReader(content[from:to])), nil
}

type memoryDraft struct {
	strings.Builder
	of     *memory
	name   string
	closed bool
}

func (m *memory) Create(_ context.Context, name string) (files.Draft, error) {
	return &memoryDraft{of: m, name: name}, m.step("create")
}

func (m *memory) put(name, content string, modified time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	m.files[name] = object{content, m.count, modified}
}

func (d *memoryDraft) Close() error {
	if err := d.of.step("close"); err != nil {
		return err
	}
	d.of.put(d.name, d.String(), time.Now())
	d.closed = true
	return nil
}

func (d *memoryDraft) Abort() error { return d.of.step("abort") }

func (m *memory) Move(ctx context.Context, from, to string) error {
	if err := m.step("move"); err != nil {
		return err
	}
	info, err := m.Stat(ctx, from)
	if err != nil {
		return err
	}
	m.put(to, m.content(from), info.Modified)
	if err := m.step("move, copied"); err != nil {
		return err
	}
	return m.Remove(ctx, from)
}

func (m *memory) Remove(_ context.Context, name string) error {
	if err := m.step("remove"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func TestTheStoreOfTheseTestsKeepsTheRules(t *testing.T) {
	filestest.CheckWritable(t, newMemory(), "in/")
}

// lines is a sink of somebody's own.
type lines struct{ files.Output }

func (s lines) Load(ctx context.Context, in *pipeline.Reader[string]) error {
	w, err := s.Create(ctx)
	if err != nil {
		return err
	}
	for line, err := range in.All() {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, line+"\n"); err != nil {
			return err
		}
	}
	return w.Close()
}

// ledger is a state that keeps what was committed, and a unit that fails as a test wants.
type ledger struct {
	mu        sync.Mutex
	committed map[string]pipeline.Commit
	fault     func(op string) error
}

func (l *ledger) Begin(_ context.Context, run pipeline.Run, _ []string) (pipeline.Recovered, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := pipeline.Recovered{Cursors: map[string]json.RawMessage{}, Ranges: map[string]pipeline.Range{}}
	if c, ok := l.committed[run.ID]; ok {
		r.Committed = &c
	}
	return r, nil
}

func (l *ledger) Fix(context.Context, pipeline.Run, map[string]pipeline.Range) error { return nil }

func (l *ledger) Commit(ctx context.Context, run pipeline.Run, c pipeline.Commit) error {
	_, err := pipeline.Join(ctx, l, func(context.Context) (*ledgerUnit, error) { return &ledgerUnit{l, run.ID, c}, nil })
	return err
}

type ledgerUnit struct {
	of *ledger
	id string
	c  pipeline.Commit
}

func (u *ledgerUnit) Name() string                   { return "ledger" }
func (u *ledgerUnit) Phase() pipeline.Phase          { return pipeline.PhaseLedger }
func (u *ledgerUnit) Prepare(context.Context) error  { return u.of.fault("prepare ledger") }
func (u *ledgerUnit) Rollback(context.Context) error { return nil }
func (u *ledgerUnit) Commit(context.Context) error {
	if err := u.of.fault("commit ledger"); err != nil {
		return err
	}
	u.of.mu.Lock()
	defer u.of.mu.Unlock()
	u.of.committed[u.id] = u.c
	return u.of.fault("answer of the ledger")
}

func run(t *testing.T, store files.Writable, state *ledger, id string, attempt int, content string) error {
	t.Helper()
	options := pipeline.Options{RunID: id, Attempt: attempt}
	if state != nil {
		options.State = state
	}
	p := pipeline.New("p", options)
	from := pipeline.From(p, "from", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error { return out.Write(content) }))
	pipeline.To(from, "load", lines{files.Output{Path: "out/target.txt", Store: store}})
	_, err := p.Run(t.Context())
	return err
}

// A process that dies is one in which, from some step on, nothing more happens. Whatever the step, the target is the old
// file or the new one, whole; where the ledger has the run its retry makes it the new one; and nothing else stays.
func TestARunThatDiesAtAnyStepLeavesTheOldFileOrTheNewOne(t *testing.T) {
	dead := errors.New("the process is dead")
	for _, withLedger := range []bool{false, true} {
		for step := 0; ; step++ {
			store, state := newMemory(), &ledger{committed: map[string]pipeline.Commit{}, fault: func(string) error { return nil }}
			if !withLedger {
				state = nil
			}
			if err := run(t, store, state, "first", 1, "old"); err != nil {
				t.Fatal(err)
			}
			n, died := 0, ""
			fault := func(op string) error {
				if n++; n > step {
					if died == "" {
						died = op
					}
					return dead
				}
				return nil
			}
			store.fault = fault
			if withLedger {
				state.fault = fault
			}
			err := run(t, store, state, "second", 1, "new")
			if died == "" {
				if err != nil || step < 3 {
					t.Fatalf("after %d steps: %v", step, err)
				}
				break
			}
			got := store.content("out/target.txt")
			if got != "old\n" && got != "new\n" {
				t.Errorf("dead before %q: the target holds %q", died, got)
			}
			store.fault = nil
			committed := false
			if withLedger {
				state.fault = func(string) error { return nil }
				_, committed = state.committed["second"]
			}
			if got == "new\n" && withLedger && !committed {
				t.Errorf("dead before %q: the target is new, and the ledger knows nothing of it", died)
			}
			if err := run(t, store, state, "second", 2, map[bool]string{true: "not read", false: "again"}[committed]); err != nil {
				t.Errorf("dead before %q: the retry: %v", died, err)
			}
			want := map[bool]string{true: "new\n", false: "again\n"}[committed]
			if got := store.content("out/target.txt"); got != want {
				t.Errorf("dead before %q: after the retry the target holds %q, want %q", died, got, want)
			}
			if names := store.names(); len(names) != 1 {
				t.Errorf("dead before %q: left behind: %q", died, names)
			}
		}
	}
}

// The retry may die as well, at any step. The one after it has still to find what both left.
func TestARunWhoseRetryDiesTooLeavesNothingElse(t *testing.T) {
	dead := errors.New("the process is dead")
	for first := 0; ; first++ {
		firstDied := false
		for second := 0; ; second++ {
			store, state := newMemory(), &ledger{committed: map[string]pipeline.Commit{}}
			dying := func(step int) *bool {
				n, died := 0, false
				fault := func(string) error {
					if n++; n > step {
						died = true
						return dead
					}
					return nil
				}
				store.fault, state.fault = fault, fault
				return &died
			}
			want := ""
			for i, step := range []int{first, second, 1000} {
				died := dying(step)
				err := run(t, store, state, "run", i+1, fmt.Sprint("of ", i+1))
				if _, ok := state.committed["run"]; ok && want == "" {
					want = fmt.Sprintf("of %d\n", i+1)
				}
				if i == 0 {
					firstDied = *died
				}
				if i == 2 && (err != nil || store.content("out/target.txt") != want || len(store.names()) != 1) {
					t.Errorf("dead after %d and %d steps: %v, the target holds %q, want %q; there are %q",
						first, second, err, store.content("out/target.txt"), want, store.names())
				}
			}
			if second > 20 {
				break
			}
		}
		if !firstDied {
			return
		}
	}
}

// What belongs to a run whose name merely begins alike is none of its own.
func TestARunTakesNothingFromOneOfALikeName(t *testing.T) {
	store := newMemory()
	const other = "out/target.txt.millrace-run-1-1.tmp" // of run-1
	store.put(other, "x", time.Now())
	store.put("out/target.txt.millrace-run-1.tmp", "x", time.Now()) // of run
	if err := run(t, store, nil, "run", 2, "new"); err != nil {
		t.Fatal(err)
	}
	if got := store.names(); !slices.Equal(got, []string{"out/target.txt", other}) {
		t.Errorf("there are %q", got)
	}
}

// Where nothing was committed, nothing is left, whatever the run ends with.
func TestARunThatFailsLeavesNothing(t *testing.T) {
	for _, op := range []string{"close", "prepare ledger", "commit ledger"} {
		store := newMemory()
		fails := func(at string) error {
			if at == op {
				return errors.New("no")
			}
			return nil
		}
		store.fault = fails
		state := &ledger{committed: map[string]pipeline.Commit{}, fault: fails}
		if err := run(t, store, state, "run", 1, "new"); err == nil {
			t.Errorf("%s: no error", op)
		}
		if names := store.names(); len(names) != 0 {
			t.Errorf("%s: left behind: %q", op, names)
		}
	}
}

func TestACancelledRunLeavesNothingOnTheDisk(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	state := &ledger{committed: map[string]pipeline.Commit{}, fault: func(op string) error {
		if op == "prepare ledger" {
			cancel()
		}
		return nil
	}}
	p := pipeline.New("p", pipeline.Options{State: state})
	from := pipeline.From(p, "from", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error { return out.Write("x") }))
	pipeline.To(from, "load", lines{files.Output{Path: filepath.ToSlash(dir) + "/target.txt"}})
	if _, err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatOtherRunsPreparedStaysUntilItIsOld(t *testing.T) {
	store := newMemory()
	prepared := func(name string, age time.Duration) string {
		name = "out/target.txt.millrace-" + name
		store.put(name, "x", time.Now().Add(-age))
		return name
	}
	young := prepared("other-1.tmp", time.Hour)
	prepared("old-1.tmp", 8*24*time.Hour)
	prepared("run-1.tmp", time.Second) // an earlier attempt of this run
	store.put("out/target.txt.bak", "x", time.Time{})
	if err := run(t, store, nil, "run", 2, "new"); err != nil {
		t.Fatal(err)
	}
	if got := store.names(); !slices.Equal(got, []string{"out/target.txt", "out/target.txt.bak", young}) {
		t.Errorf("there are %q", got)
	}
}

func TestTheNewFileHasTheModeOfTheOldOneFromTheBeginning(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target.txt")
	write(t, target, "secret")
	var during os.FileMode
	p := pipeline.New("p", pipeline.Options{})
	from := pipeline.From(p, "from", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error {
		if err := out.Write("new"); err != nil {
			return err
		}
		return out.Flush()
	}))
	pipeline.To(from, "load", pipeline.SinkFunc[string](func(ctx context.Context, in *pipeline.Reader[string]) error {
		err := lines{files.Output{Path: target}}.Load(ctx, in)
		drafts, _ := filepath.Glob(filepath.Join(dir, "*.draft.tmp"))
		for _, d := range drafts {
			if info, err := os.Stat(d); err == nil {
				during = info.Mode().Perm()
			}
		}
		return err
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode().Perm() != 0o600 || during != 0o600 {
		t.Errorf("mode %v, while it was written %v, %v", info.Mode(), during, err)
	}
}

func TestTargetsThatCannotBeAreRefused(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	for says, o := range map[string]files.Output{
		"no Path is set":                      {},
		"is a directory":                      {Path: dir},
		"is not there":                        {Path: dir + "/no/such/x.csv"},
		"the Path - is standard output":       {Path: "-", Store: newMemory()},
		`"s3://bucket/a" is no path`:          {Path: "s3://bucket/a"},
		"packed with xz, which can be read":   {Path: dir + "/a.xz"},
		`Compression is "zip", which can be`:  {Path: dir + "/a", Compression: files.Zip},
		"cannot be compared":                  {Path: "a", Store: incomparable{}},
		"is no regular file; for standard ou": {Path: "/dev/null"},
	} {
		if err := o.Validate(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %s", o, err, says)
		}
	}
}

type incomparable struct {
	files.Disk
	_ []int
}

func TestTwoSinksWithOneTargetAreAnError(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	p := pipeline.New("p", pipeline.Options{})
	from := pipeline.From(p, "from", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error { return out.Write("x") }))
	pipeline.To(from, "one", lines{files.Output{Path: dir + "/x"}})
	pipeline.To(from, "two", lines{files.Output{Path: dir + "/../" + filepath.Base(dir) + "/x"}})
	_, err := p.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another sink of this run writes the same file") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Runs that write one file at once take nothing away from each other, also in the moment in which a draft has been made and
// not been locked.
func TestManyRunsWriteOneFileAtOnce(t *testing.T) {
	dir := filepath.ToSlash(t.TempDir())
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			for range 40 {
				p := pipeline.New(fmt.Sprint("p", i), pipeline.Options{})
				from := pipeline.From(p, "from", pipeline.SourceFunc[string](func(_ context.Context, out *pipeline.Writer[string]) error { return out.Write("x") }))
				pipeline.To(from, "load", lines{files.Output{Path: dir + "/target.txt"}})
				if _, err := p.Run(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
