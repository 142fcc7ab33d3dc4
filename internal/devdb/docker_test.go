//go:build unix

package devdb

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/privatedb"
)

// bareDaemon is nowhere, and reaches nothing.
func bareDaemon(t *testing.T) daemon {
	t.Helper()
	return daemon{
		getenv:      func(string) string { return "" },
		sockets:     []string{"/nonexistent/docker.sock"},
		cacheDir:    filepath.Join(passableDir(t), "cache"),
		pullTimeout: 200 * time.Millisecond,
		pullSilence: 100 * time.Millisecond,
	}
}

func TestNoDaemonIsSaid(t *testing.T) {
	_, err := bareDaemon(t).startContainer(t.Context(), forATest)
	if err == nil || err.Error() != "no daemon: none of /nonexistent/docker.sock is there" {
		t.Errorf("got %v", err)
	}
}

var forATest = privatedb.Want{Purpose: ForTests}

func TestSplitImage(t *testing.T) {
	for image, want := range map[string][2]string{
		"postgres":                  {"postgres", "latest"},
		"postgres:13":               {"postgres", "13"},
		"registry:5000/postgres":    {"registry:5000/postgres", "latest"},
		"registry:5000/postgres:17": {"registry:5000/postgres", "17"},
		"postgres@sha256:abc":       {"postgres@sha256", "abc"},
	} {
		if repository, tag := splitImage(image); repository != want[0] || tag != want[1] {
			t.Errorf("%s: %s and %s", image, repository, tag)
		}
	}
}

// silentDaemon is a Docker daemon that has no image and reaches no registry.
func silentDaemon(t *testing.T) (socket string, pulls *atomic.Int32) {
	t.Helper()
	pulls = new(atomic.Int32)
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "OK") })
	mux.HandleFunc("/images/", func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/create") {
			http.Error(w, "no such image", http.StatusNotFound)
			return
		}
		pulls.Add(1)
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	socket = filepath.Join(passableDir(t), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	s.Start()
	t.Cleanup(s.Close)
	return socket, pulls
}

func TestAPullThatHangsIsGivenUpAndNotTriedAgainSoon(t *testing.T) {
	socket, pulls := silentDaemon(t)
	h := bareDaemon(t)
	h.sockets = []string{socket}
	began := time.Now()
	for i, want := range []string{"cannot be pulled", "could not be pulled 0s ago"} {
		_, err := h.startContainer(t.Context(), forATest)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "postgres:13") {
			t.Errorf("attempt %d: %v", i+1, err)
		}
	}
	if n := pulls.Load(); n != 1 {
		t.Errorf("%d pulls, want 1", n)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}

	// After a while it is.
	long := time.Now().Add(-pullMemory - time.Minute)
	if err := os.Chtimes(h.pullMemory("postgres:13"), long, long); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.startContainer(ctx, forATest); err == nil {
		t.Error("a container without an image")
	}
	if n := pulls.Load(); n != 2 {
		t.Errorf("%d pulls, want 2", n)
	}
}

func TestADaemonThatDoesNotSpeakDockerIsNotUsed(t *testing.T) {
	socket := filepath.Join(passableDir(t), "docker.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h := bareDaemon(t)
	h.sockets = []string{socket}
	if _, err := h.startContainer(t.Context(), forATest); err == nil || !strings.Contains(err.Error(), "the daemon does not answer") {
		t.Errorf("got %v", err)
	}
}
