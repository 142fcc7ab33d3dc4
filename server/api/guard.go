package api

import (
	"encoding/json"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// The limits of a request.
const (
	maxBody       = 64 << 10 // bytes; what we take are a few params
	maxHeader     = 16 << 10 // bytes
	headerTimeout = 5 * time.Second
	bodyTimeout   = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 30 * time.Second // streams set their own
	idleTimeout   = 75 * time.Second // longer than nginx keeps its side, 60 s
)

// Server returns an http.Server with the limits set: slow clients cost a connection for some seconds, and no more.
func (a *API) Server() *http.Server {
	return &http.Server{
		Handler:           a,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          a.log.StandardLogger(nil),
	}
}

// header is a header in its canonical form.
type header struct {
	name  string
	value []string
}

// securityHeaders are on every answer, unless a handler sets others. The page has a Content-Security-Policy of its own.
var securityHeaders = []header{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Referrer-Policy", []string{"same-origin"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Cache-Control", []string{"no-store"}},
}

// guard is what every request goes through.
func (a *API) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, problem(http.StatusForbidden, "a page of another origin may not change anything here"))
	}))
	inner := origin.Handler(next)
	// Made once: every answer has the same ones, and nobody changes their values.
	headers := append([]header{{"X-Served-By", []string{a.config.Replica}}}, securityHeaders...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer := &statusWriter{ResponseWriter: w}
		h := w.Header()
		for _, header := range headers {
			h[header.name] = header.value
		}
		defer func() {
			if p := recover(); p != nil {
				a.recovered(answer, r, p)
			}
			a.metrics.observe(r, answer.status, time.Since(began))
		}()
		if !a.hostAllowed(r.Host) {
			writeProblem(answer, problem(http.StatusMisdirectedRequest, "this server does not answer to that name; MILLRACE_ALLOWED_HOSTS sets those it does"))
			return
		}
		if p := queryProblem(r.URL.RawQuery); p != nil {
			writeProblem(answer, p)
			return
		}
		inner.ServeHTTP(answer, r)
	})
}

// recovered answers for a handler that panicked. The connection is cut if the answer had begun.
func (a *API) recovered(w *statusWriter, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint,err113 // a panic's value
		panic(p)
	}
	id := newID()
	a.log.Error("a handler panicked", "method", r.Method, "route", r.Pattern, "instance", id, "panic", p, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	answer := problem(http.StatusInternalServerError, "something went wrong inside; the log says what, under this problem's instance")
	answer.Instance = "urn:millrace:problem:" + id
	writeProblem(w, answer)
}

func (a *API) hostAllowed(host string) bool {
	if len(a.config.AllowedHosts) == 0 {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return slices.Contains(a.config.AllowedHosts, strings.ToLower(strings.Trim(host, "[]")))
}

const noPath = "there is no such path; /openapi.json lists those there are"

// rest answers what is no operation: by the page, or with what is wrong.
func (a *API) rest(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var has []string
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := *r
			other.Method = method
			if _, pattern := a.mux.Handler(&other); pattern != "/" {
				has = append(has, method)
			}
		}
		isPage := !strings.HasPrefix(r.URL.Path, "/api/")
		switch {
		case len(has) == 0 && isPage && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			page.ServeHTTP(w, r)
		case len(has) == 0 && !isPage:
			writeProblem(w, problem(http.StatusNotFound, noPath))
		default:
			if len(has) == 0 {
				has = []string{http.MethodGet}
			}
			w.Header().Set("Allow", strings.Join(has, ", "))
			writeProblem(w, problem(http.StatusMethodNotAllowed, "this path has no such method; it has "+strings.Join(has, ", ")))
		}
	})
}

func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that is gone has nobody to tell
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController find what the writer beneath can do.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}
