package pipelinetest_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeT takes the complaints of a check. The rest it leaves to the real one.
type fakeT struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (f *fakeT) Helper() {}

func (f *fakeT) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// complaints runs f with a fake testing.TB and returns what it was told.
func complaints(t *testing.T, f func(t testing.TB)) []string {
	t.Helper()
	fake := &fakeT{TB: t}
	done := make(chan struct{})
	go func() { // Fatalf ends the goroutine
		defer close(done)
		f(fake)
	}()
	<-done
	return fake.errors
}

// mustComplain fails the test unless one of the complaints says want.
func mustComplain(t *testing.T, want string, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		if strings.Contains(c, want) {
			return
		}
	}
	t.Errorf("nobody complained that %q; the complaints: %q", want, complaints)
}
