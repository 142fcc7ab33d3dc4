package proof

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devdb"
)

// TestAProcessKilledAtAnyInstant kills attempts of each subject at random moments
// until enough of them were killed.
func TestAProcessKilledAtAnyInstant(t *testing.T) {
	for _, s := range some(0, 3, 4) {
		t.Run(s.name, func(t *testing.T) {
			a := newArena(t, s, devdb.TestURL(t))
			kills, unseen := 0, 0
			wanted := amount(3, 40)
			var takes time.Duration
			run := 0
			for kills < wanted {
				run++
				if err := s.prepare(t.Context(), a.pool, run); err != nil {
					t.Fatal(err)
				}
				killed := 0
				for attempt := 1; ; attempt++ {
					p := a.start(run, attempt)
					limit := time.Minute
					// The first run is only measured; each other one is let through in the end.
					if run > 1 && killed < 5 && kills < wanted {
						limit = a.moment(takes)
					}
					began := time.Now()
					if !p.killAfter(limit) {
						if p.err != nil {
							t.Fatalf("run %d, attempt %d: %s", run, attempt, p.stderr.String())
						}
						if run == 1 {
							takes = time.Since(began)
						}
						break
					}
					kills++
					killed++
					committed, err := a.check(t.Context(), run-1)
					if err != nil {
						t.Fatalf("run %d, attempt %d, killed after %v of about %v: %v", run, attempt, limit, takes, err)
					}
					if committed == run {
						unseen++ // killed after the commit, before anybody knew of it
					}
				}
				if committed, err := a.check(t.Context(), run-1); err != nil || committed != run {
					t.Fatalf("run %d: %d runs committed, error %v", run, committed, err)
				}
				a.checkFile()
			}
			a.noLeftovers()
			t.Logf("%d attempts killed in %d runs of about %v; %d of them after the commit", kills, run, takes.Round(time.Millisecond), unseen)
		})
	}
}

// TestAProcessThatSleptPastItsSuccessorCannotCommit stops an attempt, lets the next one
// commit, and wakes the first.
func TestAProcessThatSleptPastItsSuccessorCannotCommit(t *testing.T) {
	for _, s := range some(4) {
		t.Run(s.name, func(t *testing.T) {
			a := newArena(t, s, devdb.TestURL(t))
			if err := s.prepare(t.Context(), a.pool, 1); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if p := a.start(1, 1); p.killAfter(time.Minute) || p.err != nil {
				t.Fatal(p.stderr.String())
			}
			takes := time.Since(began)
			woken := 0
			for run := 2; woken < amount(2, 12); run++ {
				if err := s.prepare(t.Context(), a.pool, run); err != nil {
					t.Fatal(err)
				}
				first := a.start(run, 1)
				select {
				case <-first.exited:
				case <-time.After(a.moment(takes)):
				}
				if first.cmd.Process.Signal(syscall.SIGSTOP) != nil { // it was faster
					<-first.exited
					continue
				}
				second := a.start(run, 2)
				if second.killAfter(2*time.Minute) || second.err != nil {
					t.Fatalf("run %d: the second attempt: %s", run, second.stderr.String())
				}
				if err := first.cmd.Process.Signal(syscall.SIGCONT); err == nil {
					woken++
				}
				if first.killAfter(time.Minute) {
					t.Fatalf("run %d: the woken attempt hangs", run)
				}
				said := first.stderr.String()
				if first.err != nil && !strings.Contains(said, "attempt") && !strings.Contains(said, "connection") && !strings.Contains(said, "server") {
					t.Fatalf("run %d: the woken attempt said: %s", run, said)
				}
				if committed, err := a.check(t.Context(), run-1); err != nil || committed != run {
					t.Fatalf("run %d: %d runs committed, error %v", run, committed, err)
				}
				a.checkFile()
			}
			t.Logf("%d attempts woken after their successors", woken)
		})
	}
}
