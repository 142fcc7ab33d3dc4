package deploytest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is some clients that ask for the same over and over.
type load struct {
	stop chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex
	answers  int
	by       map[string]int // answers of each backend
	failures []string       // the first ones
	failed   int
}

// clients is how many ask at once: enough to have requests under way whenever something dies, few enough for two CPUs.
const clients = 6

// startLoad asks for /api/data of the balanced API until end is called.
func startLoad(t *testing.T, d *deployment) *load {
	t.Helper()
	l := &load{stop: make(chan struct{}), by: map[string]int{}}
	for range clients {
		l.all.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
					l.note(d.get(d.url("API_PORT", "/api/data")))
				}
			}
		})
	}
	t.Cleanup(l.halt)
	return l
}

func (l *load) note(a answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	var why string
	switch {
	case err != nil:
		why = err.Error()
	case a.status != http.StatusOK:
		why = fmt.Sprintf("status %d: %s", a.status, tail(a.body, 200))
	case !strings.HasPrefix(a.body, `[{"id":1,"name":"Sude"}`):
		why = "another answer: " + tail(a.body, 200)
	default:
		l.by[a.header.Get("X-Served-By")]++
		return
	}
	l.failed++
	if len(l.failures) < 5 {
		l.failures = append(l.failures, time.Now().Format("15:04:05.000 ")+why)
	}
}

// more waits until there are so many more answers.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.answers
	}
	began := count()
	eventually(t, 2*time.Minute, "answers under load", func() error {
		if got := count() - began; got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

// lasts keeps asking for so long, which is how long what could go wrong takes to do so.
func (l *load) lasts(d time.Duration) { <-time.After(d) }

func (l *load) halt() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.all.Wait()
}

// lostNone ends the load. Not one request may have failed.
func (l *load) lostNone(t *testing.T) {
	t.Helper()
	l.halt()
	t.Logf("%d requests, %d failed, answered by %v", l.answers, l.failed, l.by)
	if l.failed > 0 {
		t.Errorf("%d of %d requests failed, such as\n%s", l.failed, l.answers, strings.Join(l.failures, "\n"))
	}
}
