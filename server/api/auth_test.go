package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/server/api"
)

// TestWhoMayDoWhat asks every operation with every kind of token.
func TestWhoMayDoWhat(t *testing.T) {
	both := func(c *api.Config) { c.APIToken, c.ReadToken = secret, readSecret }
	only := func(c *api.Config) { c.APIToken = secret }
	for _, c := range []struct {
		name          string
		config        func(*api.Config)
		authorization string
		reads, writes int // 0: allowed, whatever the answer is
	}{
		{"no token is set", nil, "", 0, 0},
		{"no token is set and one is sent", nil, "Bearer what", 0, 0},
		{"none is sent", both, "", 401, 401},
		{"the API token", both, "Bearer " + secret, 0, 0},
		{"the API token, the scheme in small letters", both, "bearer " + secret, 0, 0},
		{"the read token", both, "Bearer " + readSecret, 0, 403},
		{"a wrong token", both, "Bearer " + secret + "x", 401, 401},
		{"a part of the token", both, "Bearer " + secret[:10], 401, 401},
		{"an empty token", both, "Bearer ", 401, 401},
		{"another scheme", both, "Basic " + secret, 401, 401},
		{"the token without a scheme", both, secret, 401, 401},
		{"an empty token where no read token is set", only, "Bearer ", 401, 401},
		{"the API token where no read token is set", only, "Bearer " + secret, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReplica(t, options{config: c.config, waiting: true})
			var header []string
			if c.authorization != "" {
				header = []string{"Authorization", c.authorization}
			}
			check := func(method, path string, want int) {
				a := r.ask(method, path, "", header...)
				refused := a.status == 401 || a.status == 403
				if want == 0 && refused || want != 0 && a.status != want {
					t.Errorf("%s %s: status %d, want %d", method, path, a.status, want)
				}
				if a.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s %s: no WWW-Authenticate", method, path)
				}
				if strings.Contains(a.body+r.log.String(), secret) {
					t.Errorf("%s %s: the token is told: %s", method, path, a.body)
				}
			}
			for _, op := range operations(r.api.OpenAPI()) {
				target := path(op, "quick", noRun)
				switch {
				case !strings.HasPrefix(op.Path, "/api/"):
					check(op.Method, target, 0)
				case op.Method == http.MethodGet:
					check(op.Method, target, c.reads)
				default:
					check(op.Method, target, c.writes)
				}
			}
			check("GET", "/metrics", c.reads)
			check("GET", "/openapi.json", 0)
			check("GET", "/", 0)
			// No other spelling of a path leads around the question.
			for _, path := range []string{"/%61pi/data", "/api/./data", "//api/data", "/api//data", "/x/../api/data"} {
				if a := r.ask("GET", path, "", header...); c.reads != 0 && strings.Contains(a.body, "Sude") {
					t.Errorf("%s: %s", path, a.body)
				}
			}
		})
	}
}

func TestAPageOfAnotherOriginChangesNothing(t *testing.T) {
	r := newReplica(t, options{})
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
	} {
		a := r.want(403, "POST", "/api/pipelines/quick/runs", "", header...)
		if !strings.Contains(a.body, "another origin") {
			t.Error(a.body)
		}
	}
	r.want(201, "POST", "/api/pipelines/quick/runs", "", "Sec-Fetch-Site", "same-origin")
	r.want(201, "POST", "/api/pipelines/quick/runs", "", "Origin", r.url)
	r.want(200, "GET", "/api/runs", "", "Sec-Fetch-Site", "cross-site") // whose answer its page cannot read
}

func TestOnlyAllowedHostsAreAnswered(t *testing.T) {
	r := newReplica(t, options{waiting: true, config: func(c *api.Config) { c.AllowedHosts = []string{"localhost", "127.0.0.1", "::1"} }})
	for host, status := range map[string]int{
		"localhost": 200, "LOCALHOST:5001": 200, "127.0.0.1": 200, "[::1]:5001": 200, "[::1]": 200,
		"evil.example": 421, "evil.example:5001": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
	} {
		if a := r.ask("GET", "/healthz", "", "Host", host); a.status != status {
			t.Errorf("Host %s: status %d, want %d", host, a.status, status)
		}
	}
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	r := newReplica(t, options{waiting: true})
	for _, path := range []string{"/", "/api/data", "/api/nope", "/nope", "/healthz", "/readyz", "/metrics", "/openapi.json"} {
		a := r.ask("GET", path, "")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy is %q", path, policy)
		}
	}
}
