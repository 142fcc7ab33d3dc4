package deploytest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/server/console"
)

// The aims are 20 s from up on warm images to a page that answers, and 5 s from the database's return to that of the
// API. What they were is logged; an error are only the bounds, since a machine may have other things to do.
const (
	upLimit       = 2 * time.Minute
	recoveryLimit = time.Minute
	imageLimit    = 25_000_000 // bytes of the backend's image
)

// TestDeployment goes through the life of one deployment; each part begins where the one before ended.
func TestDeployment(t *testing.T) {
	d := newDeployment(t)
	d.compose(t, "build")

	t.Run("one command brings it up", func(t *testing.T) {
		began := time.Now()
		d.compose(t, "up", "-d", "--build")
		eventually(t, upLimit, "the page", func() error {
			for _, path := range []string{"/", "/api/data"} {
				a, err := d.get(d.url("FRONTEND_PORT", path))
				if err := wants(http.StatusOK, a, err); err != nil {
					return err
				}
			}
			return nil
		})
		took := time.Since(began)
		t.Logf("from up --build on warm images to a page with data: %.1f s", took.Seconds())
	})
	if t.Failed() {
		return // the rest would only say so again
	}

	t.Run("the image of the backend is small", func(t *testing.T) {
		size, err := strconv.Atoi(strings.TrimSpace(docker(t, "image", "inspect", "--format", "{{.Size}}", "millrace-backend:e2e")))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%.1f MB", float64(size)/1e6)
		if size > imageLimit {
			t.Errorf("%d bytes, more than %d", size, imageLimit)
		}
	})
	t.Run("no container has more rights than it needs", func(t *testing.T) { checkRights(t, d) })
	t.Run("one backend answers", func(t *testing.T) { checkData(t, d) })
	t.Run("three backends answer at the same address", func(t *testing.T) {
		d.scale(t, 3)
		checkData(t, d)
	})
	t.Run("the page and the console are served", func(t *testing.T) { checkPages(t, d) })
	t.Run("a run is triggered and watched through nginx", func(t *testing.T) { checkRun(t, d) })
	t.Run("three backends share the load evenly", func(t *testing.T) { checkBalance(t, d) })
	t.Run("a killed backend loses no request", func(t *testing.T) {
		l := startLoad(t, d)
		l.more(t, 200)
		docker(t, "kill", d.containers(t, "backend")[0])
		l.lasts(4 * time.Second) // twice as long as nginx keeps an address
		l.more(t, 200)
		l.lostNone(t)
	})
	t.Run("scaling from 3 to 5 to 1 fails no request", func(t *testing.T) {
		d.scale(t, 3) // the killed one comes back
		l := startLoad(t, d)
		l.more(t, 100)
		for _, n := range []int{5, 1} {
			d.scale(t, n)
			l.lasts(4 * time.Second)
			if got := len(d.containers(t, "backend")); got != n {
				t.Errorf("%d backends run, want %d", got, n)
			}
			l.more(t, 200)
		}
		l.lostNone(t)
		checkData(t, d)
	})
	t.Run("the database comes back", func(t *testing.T) {
		d.compose(t, "stop", "database")
		eventually(t, 10*time.Second, "the API says that the database is gone", func() error {
			a, err := d.get(d.url("API_PORT", "/readyz"))
			if err == nil && !strings.Contains(a.body, "database") {
				return fmt.Errorf("it says %s", a.body)
			}
			return wants(http.StatusServiceUnavailable, a, err)
		})
		d.mustGet(t, "FRONTEND_PORT", "/") // the page itself needs no database
		began := time.Now()
		d.compose(t, "start", "database")
		started := time.Since(began)
		took := eventually(t, recoveryLimit, "the API answers again", func() error {
			a, err := d.get(d.url("API_PORT", "/api/data"))
			return wants(http.StatusOK, a, err)
		})
		t.Logf("starting it took %.1f s, and the API answered %.1f s later", started.Seconds(), took.Seconds())
		l := startLoad(t, d)
		l.more(t, 300)
		l.lostNone(t)
		checkRun(t, d)
	})
	t.Run("what was loaded outlives the containers", func(t *testing.T) {
		d.compose(t, "down", "--timeout", "5")
		d.scale(t, 1)
		eventually(t, upLimit, "the run before", func() error {
			a, err := d.get(d.url("API_PORT", "/api/runs?pipeline=sde_gul_etl&state=succeeded&limit=1"))
			if err == nil && !strings.Contains(a.body, `"state":"succeeded"`) {
				return fmt.Errorf("it says %s", a.body)
			}
			return wants(http.StatusOK, a, err)
		})
	})
}

func checkData(t *testing.T, d *deployment) {
	t.Helper()
	const want = `[{"id":1,"name":"Sude"},{"id":2,"name":"Airflow"},{"id":3,"name":"Docker"}]`
	for _, port := range []string{"API_PORT", "FRONTEND_PORT", "CONSOLE_PORT"} {
		if a := d.mustGet(t, port, "/api/data"); strings.TrimSpace(a.body) != want || a.header.Get("X-Served-By") == "" {
			t.Errorf("%s: %q by %q", port, a.body, a.header.Get("X-Served-By"))
		}
	}
}

func checkPages(t *testing.T, d *deployment) {
	page, index := d.mustGet(t, "FRONTEND_PORT", "/"), d.mustGet(t, "CONSOLE_PORT", "/")
	for name, a := range map[string]answer{"page": page, "console": index} {
		if got := a.header.Get("Content-Security-Policy"); got != console.Policy {
			t.Errorf("%s: policy %q, want the one of the package console", name, got)
		}
		for header, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-cache", "Server": "nginx",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if !strings.Contains(a.body, "<!doctype html>") {
			t.Errorf("%s: no document:\n%s", name, tail(a.body, 300))
		}
	}
	if page.body == index.body {
		t.Error("the page and the console are the same document")
	}
	for _, view := range []string{"/pipelines/sde_gul_etl", "/runs/01a20396-5304-7000-904c-7ec02edfe241?tab=timeline"} {
		if a := d.mustGet(t, "CONSOLE_PORT", view); a.body != index.body {
			t.Errorf("%s is not the console", view)
		}
	}
	for port, want := range map[string]string{
		"FRONTEND_PORT": `{"page": "/", "console": ":` + d.settings["CONSOLE_PORT"] + `"}`,
		"CONSOLE_PORT":  `{"page": ":` + d.settings["FRONTEND_PORT"] + `", "console": "/"}`,
	} {
		if a := d.mustGet(t, port, "/config.json"); strings.TrimSpace(a.body) != want {
			t.Errorf("%s: config %s, want %s", port, a.body, want)
		}
	}
	if a := d.mustGet(t, "CONSOLE_PORT", "/assets/style.css"); !strings.HasPrefix(a.header.Get("Content-Type"), "text/css") {
		t.Errorf("style.css is %q", a.header.Get("Content-Type"))
	}
	if a, err := d.get(d.url("CONSOLE_PORT", "/assets/nothing.js")); err != nil || a.status != http.StatusNotFound {
		t.Errorf("a file that is not there: status %d, %v", a.status, err)
	}
}

type record struct{ ID, State string }

// checkRun starts runs, of which one works at a time, and watches the last through nginx: its first state must arrive
// long before its end, which it would not if answers were buffered.
func checkRun(t *testing.T, d *deployment) {
	t.Helper()
	var last record
	for range 6 {
		a, err := d.ask(http.MethodPost, d.url("CONSOLE_PORT", "/api/pipelines/sde_gul_etl/runs"), "{}")
		if err != nil || a.status != http.StatusCreated {
			t.Fatalf("trigger: status %d, %v: %s", a.status, err, a.body)
		}
		if err := json.Unmarshal([]byte(a.body), &last); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(d.url("CONSOLE_PORT", "/api/runs/"+last.ID+"/events"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("status %d, %q", res.StatusCode, got)
	}
	var states []string
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "{}" {
			continue
		}
		var now record
		if err := json.Unmarshal([]byte(data), &now); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		if len(states) == 0 {
			a := d.mustGet(t, "API_PORT", "/api/runs/"+last.ID)
			var asked record
			if err := json.Unmarshal([]byte(a.body), &asked); err != nil || asked.State == "succeeded" {
				t.Errorf("when the first event came, the run was %s (%v)", asked.State, err)
			}
		}
		if len(states) == 0 || states[len(states)-1] != now.State {
			states = append(states, now.State)
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream: %v", err)
	}
	if len(states) < 2 || states[len(states)-1] != "succeeded" {
		t.Errorf("states %v, want some and then succeeded", states)
	}
	if a := d.mustGet(t, "API_PORT", "/api/sales?limit=1"); !strings.Contains(a.body, `"total_revenue"`) {
		t.Errorf("sales: %s", a.body)
	}
}

func checkBalance(t *testing.T, d *deployment) {
	l := startLoad(t, d)
	l.lasts(3 * time.Second) // until nginx knows all three
	l.mu.Lock()
	clear(l.by)
	l.mu.Unlock()
	l.more(t, 6000)
	l.lostNone(t)
	sum := 0
	for _, n := range l.by {
		sum += n
	}
	for name, n := range l.by {
		if third := float64(sum) / 3; float64(n) < 0.9*third || float64(n) > 1.1*third {
			t.Errorf("%s answered %d of %d, more than 10%% off a third", name, n, sum)
		}
	}
	if len(l.by) != 3 {
		t.Errorf("%d backends answered, want 3", len(l.by))
	}
}

func checkRights(t *testing.T, d *deployment) {
	for _, service := range []string{"database", "backend", "frontend"} {
		for _, id := range d.containers(t, service) {
			var c []struct {
				Config     struct{ User string }
				HostConfig struct {
					CapDrop, SecurityOpt []string
					ReadonlyRootfs       bool
					Memory, PidsLimit    int64
					LogConfig            struct{ Config map[string]string }
					PortBindings         map[string][]struct{ HostIP string }
				}
			}
			if err := json.Unmarshal([]byte(docker(t, "inspect", id)), &c); err != nil {
				t.Fatal(err)
			}
			h := c[0].HostConfig
			if user := c[0].Config.User; user == "" || strings.HasPrefix(user, "root") || strings.HasPrefix(user, "0") {
				t.Errorf("%s runs as %q", service, user)
			}
			if !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Contains(h.SecurityOpt, "no-new-privileges:true") || !h.ReadonlyRootfs {
				t.Errorf("%s: capabilities dropped %v, security %v, read-only %v", service, h.CapDrop, h.SecurityOpt, h.ReadonlyRootfs)
			}
			if h.Memory == 0 || h.PidsLimit == 0 || h.LogConfig.Config["max-size"] == "" {
				t.Errorf("%s has no limit of memory (%d), processes (%d) or logs (%v)", service, h.Memory, h.PidsLimit, h.LogConfig.Config)
			}
			for port, bindings := range h.PortBindings {
				for _, b := range bindings {
					if b.HostIP != "127.0.0.1" {
						t.Errorf("%s publishes %s on %q", service, port, b.HostIP)
					}
				}
			}
		}
	}
}
