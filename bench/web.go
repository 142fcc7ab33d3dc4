package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

//go:embed flask_app.py
var flaskApp []byte

const flaskKeeps = "Flask that keeps its connection"

// webSeconds is how long each side is asked in each round.
const webSeconds = 5

// web is GET /api/data, asked by wrk over 16 connections on the same machine.
type web struct {
	w       *workshop
	servers []*exec.Cmd
	ours    string // the address of our server
}

func (w *workshop) web(ctx context.Context) (comparison, *web, error) {
	b := &web{w: w}
	binary := filepath.Join(w.dir, "server")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./server")
	build.Dir = ".." // it is of the other module
	if out, err := build.CombinedOutput(); err != nil {
		return comparison{}, b, fmt.Errorf("%w: %s", err, out)
	}
	var err error
	if b.ours, err = b.start(ctx, []string{"DATABASE_URL=" + w.url, "MILLRACE_DEMO=1", "MILLRACE_LOG_LEVEL=error"}, "MILLRACE_LISTEN=", binary); err != nil {
		return comparison{}, b, err
	}
	if err := os.WriteFile(filepath.Join(w.dir, "flask_app.py"), flaskApp, 0o600); err != nil {
		return comparison{}, b, err
	}
	flask := func(keep string) func(ctx context.Context) (time.Duration, string, error) {
		address := ""
		return func(ctx context.Context) (time.Duration, string, error) {
			if address == "" {
				gunicorn, err := exec.LookPath("/usr/bin/gunicorn") // where Debian's packages are
				if err != nil || exec.CommandContext(ctx, "/usr/bin/python3", "-c", "import flask, psycopg2").Run() != nil {
					return 0, "", &missing{"Flask with gunicorn and psycopg2 (python3-flask, gunicorn, python3-psycopg2)"}
				}
				if address, err = b.start(ctx, []string{"DATABASE_URL=" + w.url, "KEEP=" + keep}, "", gunicorn, "--chdir", w.dir, "-w", "2", "--log-level", "error", "flask_app:app", "-b"); err != nil {
					return 0, "", err
				}
			}
			return b.ask(ctx, address)
		}
	}
	return comparison{name: "GET /api/data, 16 connections (time a request)", sides: []side{
		{name: "Millrace", measure: func(ctx context.Context) (time.Duration, string, error) { return b.ask(ctx, b.ours) }},
		{name: "Flask that connects each time", goal: 20, measure: flask("")},
		{name: flaskKeeps, goal: 3, measure: flask("1")},
	}}, b, nil
}

// start starts a server on a free port, which is put behind prefix into the environment,
// or as the last argument, and waits until it answers.
func (b *web) start(ctx context.Context, env []string, prefix, program string, args ...string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	if prefix == "" {
		args = append(args, address)
	} else {
		env = append(env, prefix+address)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b.servers = append(b.servers, cmd)
	for range 200 {
		answer, err := http.Get("http://" + address + "/api/data")
		if err == nil {
			_ = answer.Body.Close() // only its status counts
			if answer.StatusCode == http.StatusOK {
				return address, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "", fmt.Errorf("%s does not answer", filepath.Base(program))
}

func (b *web) close() {
	for _, s := range b.servers {
		_ = s.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = s.Wait()                          // by the signal
	}
}

var perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// ask returns the time a request, and what the server answers.
func (b *web) ask(ctx context.Context, address string) (time.Duration, string, error) {
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		return 0, "", &missing{"wrk"}
	}
	url := "http://" + address + "/api/data"
	out, err := exec.CommandContext(ctx, wrk, "-t1", "-c16", fmt.Sprintf("-d%ds", webSeconds), url).CombinedOutput()
	found := perSecond.FindSubmatch(out)
	if err != nil || found == nil || bytes.Contains(out, []byte("Non-2xx")) {
		return 0, "", fmt.Errorf("wrk: %w: %s", err, out)
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", err
	}
	var plain bytes.Buffer // the same JSON, however it is spaced
	if err := json.Compact(&plain, body); err != nil {
		return 0, "", err
	}
	return time.Duration(float64(time.Second) / rate), plain.String(), nil
}

// latency asks at a fixed rate, whatever the answers do, and returns the 99th percentile of
// the times from when a request was due to its answer.
func (b *web) latency(ctx context.Context, rate float64) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	due := make(chan time.Time, 1<<16)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		times []time.Duration
		first error
	)
	for range 32 {
		wg.Go(func() {
			for at := range due {
				answer, err := client.Get("http://" + b.ours + "/api/data")
				if err == nil {
					_, err = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close() // read to its end
				}
				mu.Lock()
				times = append(times, time.Since(at))
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	for n := 0; time.Since(began) < webSeconds*time.Second && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		for ; float64(n) < time.Since(began).Seconds()*rate; n++ {
			due <- began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		}
	}
	close(due)
	wg.Wait()
	slices.Sort(times)
	return times[len(times)*99/100], first
}
