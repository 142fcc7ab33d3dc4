package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

const teaFile = "product,pieces\ntea,1\n"

func tea() pipeline.Source[total] { return records(total{"tea", 1}) }

func TestAFileAppearsWithTheCommit(t *testing.T) {
	folder := t.TempDir()
	path := put(t, filepath.Join(folder, "out.csv"), "old")
	check(t, os.Chmod(path, 0o640))
	_, err := write(t, pipeline.Options{RunID: "2026-01-31"}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error {
		if got := content(t, path); got != "old" {
			t.Errorf("before the commit the target is %q", got)
		}
		wantDraft(t, folder, "out.csv.millrace-2026-01-31-1-*.draft.tmp")
		return nil
	})
	check(t, err)
	if got := content(t, path); got != teaFile {
		t.Errorf("got %q", got)
	}
	wantOnly(t, folder, "out.csv")
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode() != 0o640 {
		t.Errorf("the mode of the target was not kept: %v", info.Mode())
	}
}

func TestALinkStaysALink(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	real := put(t, filepath.Join(elsewhere, "real.csv"), "old")
	link := filepath.Join(folder, "out.csv")
	check(t, os.Symlink(real, link))
	_, err := write(t, pipeline.Options{}, tea(), sinks.CSV[total]{Path: link})
	check(t, err)
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	if got := content(t, real); got != teaFile {
		t.Errorf("got %q", got)
	}
	wantOnly(t, elsewhere, "real.csv")
}

func TestARunThatFailsLeavesTheTarget(t *testing.T) {
	broken := errors.New("broken")
	for _, state := range []pipeline.State{nil, newMemoryLedger()} {
		for name, step := range map[string]func(context.Context) error{
			"in another stage":            func(context.Context) error { return broken },
			"by a panic":                  func(context.Context) error { panic(broken) },
			"when it prepares its commit": joins(&unit{phase: pipeline.PhaseData, prepare: func() error { return broken }}),
			"in another commit":           joins(&unit{phase: pipeline.PhaseData, commit: func() error { return broken }}),
		} {
			t.Run(fmt.Sprintf("%s, ledger %v", name, state != nil), func(t *testing.T) {
				folder := t.TempDir()
				path := put(t, filepath.Join(folder, "out.csv"), "old")
				_, err := write(t, pipeline.Options{State: state, RunID: "r"}, tea(), sinks.CSV[total]{Path: path}, step)
				if !errors.Is(err, broken) {
					t.Fatalf("got %v", err)
				}
				if got := content(t, path); got != "old" {
					t.Errorf("the target is %q", got)
				}
				wantOnly(t, folder, "out.csv")
			})
		}
	}
	t.Run("a source that fails in the middle", func(t *testing.T) {
		folder := t.TempDir()
		source := pipeline.SourceFunc[total](func(_ context.Context, out *pipeline.Writer[total]) error {
			for i := range 100_000 {
				if err := out.Write(total{"tea", i}); err != nil {
					return err
				}
			}
			return broken
		})
		if _, err := write(t, pipeline.Options{}, source, sinks.CSV[total]{Path: filepath.Join(folder, "out.csv.zst")}); !errors.Is(err, broken) {
			t.Fatalf("got %v", err)
		}
		wantOnly(t, folder)
	})
}

// TestACrashBetweenTheLedgerAndTheRename holds what a retry makes of a run whose
// ledger has committed, but whose file has not got its name.
func TestACrashBetweenTheLedgerAndTheRename(t *testing.T) {
	folder := t.TempDir()
	path := put(t, filepath.Join(folder, "out.csv"), "old")
	state := newMemoryLedger()
	state.failAfter = fmt.Errorf("the line went dead: %w", pipeline.ErrOutcomeUnknown)
	o := pipeline.Options{State: state, RunID: "today"}
	if _, err := write(t, o, tea(), sinks.CSV[total]{Path: path}); !errors.Is(err, pipeline.ErrOutcomeUnknown) {
		t.Fatalf("got %v", err)
	}
	if got := content(t, path); got != "old" {
		t.Errorf("the target is %q", got)
	}
	wantOnly(t, folder, "out.csv", "out.csv.millrace-today-1.tmp")

	t.Log("another run, which fails, leaves it")
	broken := errors.New("broken")
	if _, err := write(t, pipeline.Options{RunID: "other"}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	wantOnly(t, folder, "out.csv", "out.csv.millrace-today-1.tmp")

	t.Log("the retry gives it its name, and does so once")
	for range 2 {
		report, err := write(t, o, records[total](), sinks.CSV[total]{Path: path})
		check(t, err)
		if !report.AlreadyCommitted {
			t.Error("the run was done again")
		}
		if got := content(t, path); got != teaFile {
			t.Errorf("got %q", got)
		}
		wantOnly(t, folder, "out.csv")
	}
}

func TestARetryInTheSameProcessFinishesTheRename(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	state := newMemoryLedger()
	state.failAfter = fmt.Errorf("the line went dead: %w", pipeline.ErrOutcomeUnknown)
	report, err := write(t, pipeline.Options{State: state, Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}}, tea(), sinks.CSV[total]{Path: path})
	check(t, err)
	if got := content(t, path); got != teaFile || !report.AlreadyCommitted {
		t.Errorf("got %q, already committed: %v", got, report.AlreadyCommitted)
	}
	wantOnly(t, folder, "out.csv")
}

func TestRejectedLinesAreFinishedToo(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "refused.csv")
	state := newMemoryLedger()
	state.failAfter = fmt.Errorf("the line went dead: %w", pipeline.ErrOutcomeUnknown)
	_, err := write(t, pipeline.Options{State: state, Retry: pipeline.Retry{MaxAttempts: 2, Backoff: time.Millisecond}},
		records(pipeline.Reject{Raw: []byte("1,x\n")}), sinks.RejectedLines{Path: path})
	check(t, err)
	if got := content(t, path); got != "1,x\n" {
		t.Errorf("got %q", got)
	}
}

// TestAReadyFileIsOldWhenTheTargetIsReplaced: what a dead run had ready must not
// overwrite what a later run has committed.
func TestAReadyFileIsOldWhenTheTargetIsReplaced(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	state := newMemoryLedger()
	state.failAfter = pipeline.ErrOutcomeUnknown
	yesterday := pipeline.Options{State: state, RunID: "yesterday"}
	if _, err := write(t, yesterday, records(total{"old tea", 1}), sinks.CSV[total]{Path: path}); err == nil {
		t.Fatal("the first run should fail")
	}
	state.failAfter = nil
	_, err := write(t, pipeline.Options{State: state, RunID: "today"}, tea(), sinks.CSV[total]{Path: path})
	check(t, err)
	wantOnly(t, folder, "out.csv")
	_, err = write(t, yesterday, records[total](), sinks.CSV[total]{Path: path})
	check(t, err)
	if got := content(t, path); got != teaFile {
		t.Errorf("got %q", got)
	}
}

// TestAnEarlierAttemptsReadyFileIsKeptUntilOursIsReady: as long as our attempt has
// not won the ledger, the earlier one's commit may still come true.
func TestAnEarlierAttemptsReadyFileIsKeptUntilOursIsReady(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	ready := put(t, filepath.Join(folder, "out.csv.millrace-r-1.tmp"), "of attempt 1")
	o := pipeline.Options{State: newMemoryLedger(), RunID: "r", Attempt: 2}
	broken := errors.New("broken")
	if _, err := write(t, o, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if got := content(t, ready); got != "of attempt 1" {
		t.Errorf("got %q", got)
	}
	_, err := write(t, o, tea(), sinks.CSV[total]{Path: path})
	check(t, err)
	if got := content(t, path); got != teaFile {
		t.Errorf("got %q", got)
	}
	wantOnly(t, folder, "out.csv")
}

func TestWhatDeadRunsLeft(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	put(t, filepath.Join(folder, "out.csv.millrace-dead-1-abc.draft.tmp"), "half a")
	put(t, filepath.Join(folder, "out.csv.millrace-r-1-abc.draft.tmp"), "the same run and attempt, killed")
	put(t, filepath.Join(folder, "out.csv.millrace-dead-2.tmp"), "prepared")
	others := []string{
		"other.csv.millrace-dead-1.tmp", // of another target
		"out.csv.tmp",                   // not ours
		"out.csv.millrace-notes",        // nor this
	}
	for _, name := range others {
		put(t, filepath.Join(folder, name), "")
	}
	check(t, os.Mkdir(filepath.Join(folder, "out.csv.millrace-folder.tmp"), 0o755))
	_, err := write(t, pipeline.Options{RunID: "r"}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error {
		draft := wantDraft(t, folder, "out.csv.millrace-r-1-*.draft.tmp")
		wantOnly(t, folder, append([]string{draft, "out.csv.millrace-dead-2.tmp", "out.csv.millrace-folder.tmp"}, others...)...)
		return nil
	})
	check(t, err)
	wantOnly(t, folder, append([]string{"out.csv", "out.csv.millrace-folder.tmp"}, others...)...)
}

func TestTwoRunsAtOnce(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	sink := sinks.CSV[total]{Path: path}
	_, err := write(t, pipeline.Options{RunID: "slow"}, tea(), sink, func(context.Context) error {
		if _, err := write(t, pipeline.Options{RunID: "fast"}, records(total{"mug", 2}), sink); err != nil {
			t.Errorf("another run: %v", err)
		}
		if got := content(t, path); got != "product,pieces\nmug,2\n" {
			t.Errorf("after the fast run: %q", got)
		}
		wantOnly(t, folder, "out.csv", wantDraft(t, folder, "out.csv.millrace-slow-1-*.draft.tmp"))
		return nil
	})
	check(t, err)
	if got := content(t, path); got != teaFile {
		t.Errorf("the last to commit wins: got %q", got)
	}
	wantOnly(t, folder, "out.csv")
}

func TestATemporaryFileThatIsGone(t *testing.T) {
	folder := t.TempDir()
	path := put(t, filepath.Join(folder, "out.csv"), "old")
	temp := ""
	for _, c := range []struct {
		name string
		step func()
	}{
		{"removed", func() { check(t, os.Remove(temp)) }},
		{"replaced by another's", func() { check(t, os.Remove(temp)); put(t, temp, "another's") }}, // last: it stays
	} {
		_, err := write(t, pipeline.Options{RunID: "r"}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error {
			temp = filepath.Join(folder, wantDraft(t, folder, "out.csv.millrace-r-1-*.draft.tmp"))
			c.step()
			return nil
		})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "out.csv: its temporary file out.csv.millrace-r-1-") {
			t.Errorf("%s: got %v", c.name, err)
		}
		if got := content(t, path); got != "old" {
			t.Errorf("%s: the target is %q", c.name, got)
		}
	}
	if got := content(t, temp); got != "another's" {
		t.Errorf("another's file was touched: %q", got)
	}
}

// TestATargetThatBecomesAFolder is about a rename that fails after a database has
// committed: the error must say both.
func TestATargetThatBecomesAFolder(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "out.csv")
	becomes := func() error { return os.MkdirAll(filepath.Join(path, "x"), 0o755) }

	_, err := write(t, pipeline.Options{}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error { return becomes() })
	if err == nil || !strings.Contains(err.Error(), "out.csv: is a directory") {
		t.Errorf("before the commit: got %v", err)
	}
	check(t, os.RemoveAll(path))

	state := newMemoryLedger()
	o := pipeline.Options{State: state, RunID: "r"}
	_, err = write(t, o, tea(), sinks.CSV[total]{Path: path}, joins(&unit{phase: pipeline.PhaseData, commit: becomes}))
	var commit *pipeline.CommitError
	if !errors.As(err, &commit) || len(commit.Committed) != 2 || commit.Failed != "file "+path || pipeline.IsPermanent(err) {
		t.Errorf("during the commit: got %v", err)
	}
	check(t, os.RemoveAll(path))
	_, err = write(t, o, records[total](), sinks.CSV[total]{Path: path})
	check(t, err)
	if got := content(t, path); got != teaFile {
		t.Errorf("after the retry: got %q", got)
	}
	wantOnly(t, folder, "out.csv")
}

func TestNamesOfTemporaryFiles(t *testing.T) {
	folder := t.TempDir()
	long := strings.Repeat("ä", 120) + ".csv" // 244 bytes: with anything behind it, too long for a name
	seen := map[string]string{}
	for _, id := range []string{"a/b", "a_b", "a:b", "../../etc/passwd", strings.Repeat("x", 200), strings.Repeat("x", 199) + "y", "2026-01-31", "ü", "a.ready"} {
		path := filepath.Join(folder, long)
		temp := ""
		_, err := write(t, pipeline.Options{RunID: id}, tea(), sinks.CSV[total]{Path: path}, func(context.Context) error {
			entries, err := os.ReadDir(folder)
			for _, e := range entries {
				if e.Name() != long {
					temp = e.Name()
				}
			}
			return err
		})
		check(t, err)
		if !strings.HasSuffix(temp, ".tmp") || seen[temp] != "" {
			t.Errorf("run %q has %q, as has run %q", id, temp, seen[temp])
		}
		seen[temp] = id
		wantOnly(t, folder, long)
	}
}

// TestSerialRunsLeaveNothingOpen runs more files than a process may have open.
func TestSerialRunsLeaveNothingOpen(t *testing.T) {
	count := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0 // not on this system
		}
		return len(open)
	}
	folder := t.TempDir()
	sink := sinks.CSV[total]{Path: filepath.Join(folder, "out.csv.gz")}
	_, err := write(t, pipeline.Options{}, tea(), sink)
	check(t, err)
	before := count()
	for i := range 20 {
		_, err := write(t, pipeline.Options{}, tea(), sink, func(context.Context) error {
			if i%2 == 0 {
				return errors.New("broken")
			}
			return nil
		})
		if (err != nil) != (i%2 == 0) {
			t.Fatal(err)
		}
	}
	if after := count(); after > before+2 {
		t.Errorf("%d files are open, %d were", after, before)
	}
}

// wantDraft wants one file that is being written, and returns its name.
func wantDraft(t *testing.T, folder, pattern string) (name string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(found) != 1 {
		t.Errorf("found %q, %v, want one %s", found, err, pattern)
		return ""
	}
	return filepath.Base(found[0])
}
