package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

// childEnv makes the test binary the server.
const childEnv = "MILLRACE_SERVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(run(ctx, nil, os.Environ(), os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(devdb.Main(m))
}

// server is one that a test started, in this process or in one of its own.
type server struct {
	t       *testing.T
	url     string
	log     *logs
	stop    func() // as SIGTERM
	ended   chan int
	process *os.Process // nil if it runs in this process
}

// start runs a server in this process.
func start(t *testing.T, environ ...string) *server {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &server{t: t, log: newLogs(), stop: stop, ended: make(chan int, 1)}
	go func() {
		s.ended <- run(ctx, nil, append([]string{"MILLRACE_LISTEN=127.0.0.1:0", "MILLRACE_REPLICA=one"}, environ...), io.Discard, s.log)
		close(s.ended)
		s.log.end()
	}()
	t.Cleanup(func() { stop(); <-s.ended })
	s.waitForAddress()
	return s
}

// startProcess runs a server in a process of its own, which can be killed.
func startProcess(t *testing.T, environ ...string) *server {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, log: newLogs(), ended: make(chan int, 1)}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), childEnv+"=1", "MILLRACE_LISTEN=127.0.0.1:0"), environ...)
	cmd.Stderr = s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = cmd.Process
	s.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) }
	go func() {
		_ = cmd.Wait()
		s.ended <- cmd.ProcessState.ExitCode()
		close(s.ended)
		s.log.end()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.ended
	})
	s.waitForAddress()
	return s
}

func (s *server) waitForAddress() {
	s.t.Helper()
	line := s.log.waitFor(s.t, "listening")
	if _, rest, ok := strings.Cut(line, "address="); ok {
		s.url = "http://" + strings.Fields(rest)[0]
		return
	}
	var parsed struct{ Address string }
	if err := json.Unmarshal([]byte(line), &parsed); err != nil {
		s.t.Fatalf("%v: %s", err, line)
	}
	s.url = "http://" + parsed.Address
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (s *server) ask(method, path, body string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(all), err
}

// want asks until the status is the wanted one, for some seconds.
func (s *server) want(status int, method, path, body string) string {
	s.t.Helper()
	got, text, err := s.ask(method, path, body)
	if err != nil || got != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s %v\n%s", method, path, got, status, text, err, s.log)
	}
	return text
}

func (s *server) waitReady() {
	s.t.Helper()
	s.eventually(func() error { return s.is(200, "/readyz") })
}

func (s *server) is(status int, path string) error {
	got, text, err := s.ask("GET", path, "")
	if err == nil && got != status {
		err = fmt.Errorf("%s: status %d, want %d: %s", path, got, status, text)
	}
	return err
}

func (s *server) eventually(check func() error) {
	s.t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			s.t.Fatalf("%v\n%s", err, s.log)
		case <-tick.C:
		}
	}
}

// wait waits for the server's end and returns its exit status.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case code := <-s.ended:
		return code
	case <-time.After(time.Minute):
		s.t.Fatalf("the server did not end\n%s", s.log)
		return 0
	}
}

type runJSON struct {
	ID, State, Reason, Worker, Error string
	Attempt                          int
}

func (s *server) trigger(pipeline string) string {
	s.t.Helper()
	var r runJSON
	if err := json.Unmarshal([]byte(s.want(201, "POST", "/api/pipelines/"+pipeline+"/runs", "")), &r); err != nil {
		s.t.Fatal(err)
	}
	return r.ID
}

func (s *server) run(id string) (r runJSON) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.want(200, "GET", "/api/runs/"+id, "")), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *server) until(id, state string) (r runJSON) {
	s.t.Helper()
	s.eventually(func() error {
		if r = s.run(id); r.State != state {
			return fmt.Errorf("run %s is %s (%s) %s, want %s", id, r.State, r.Reason, r.Error, state)
		}
		return nil
	})
	return r
}

// logs is what a server wrote, line by line.
type logs struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{} // closed at each write
	over  bool
}

func newLogs() *logs { return &logs{grown: make(chan struct{})} }

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grown)
	l.grown = make(chan struct{})
	return l.text.Write(p)
}

func (l *logs) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	close(l.grown)
	l.grown = make(chan struct{})
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// waitFor waits for a whole line that holds the text.
func (l *logs) waitFor(t *testing.T, text string) string {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		l.mu.Lock()
		all, grown, over := l.text.String(), l.grown, l.over
		l.mu.Unlock()
		lines := bufio.NewScanner(strings.NewReader(all))
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) && strings.HasSuffix(all, "\n") {
				return lines.Text()
			}
		}
		if over {
			t.Fatalf("the server ended without %q:\n%s", text, all)
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("no %q in:\n%s", text, all)
		}
	}
}

func execute(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return value
}
