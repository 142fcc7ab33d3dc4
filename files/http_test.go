package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/files/filestest"
	"github.com/millrace/millrace/pipeline"
)

// site serves contents by path, as most servers do, and lets a test spoil its answers.
type site struct {
	mu       sync.Mutex
	contents map[string][]byte
	version  string
	requests atomic.Int32
	spoil    func(n int32, w http.ResponseWriter, r *http.Request) (done bool)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1)
	if s.spoil != nil && s.spoil(n, w, r) {
		return
	}
	s.mu.Lock()
	content, ok := s.contents[r.URL.Path]
	version := s.version
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if version != "" {
		w.Header().Set("ETag", version)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// change puts another content in the place of a file.
func (s *site) change(path, content, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.contents[path], s.version = []byte(content), version
}

func serve(t *testing.T, s *site) (files.HTTP, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	client := server.Client()
	t.Cleanup(client.CloseIdleConnections)
	return files.HTTP{Base: server.URL + "/", Client: client, MaxWait: 2 * time.Second}, server
}

// large is a content that no buffer on the way holds.
var large = func() []byte {
	var b bytes.Buffer
	for i := range 400_000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.Bytes()
}()

func readAll(t *testing.T, store files.Store, name string) ([]byte, error) {
	t.Helper()
	info, err := store.Stat(t.Context(), name)
	if err != nil {
		return nil, err
	}
	r, err := store.Open(t.Context(), info, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestHTTPKeepsTheRules(t *testing.T) {
	contents := map[string][]byte{"x.csv": []byte("x"), "y/b c.csv": large, "empty.csv": nil}
	s := &site{contents: map[string][]byte{}, version: `"1"`}
	for name, content := range contents {
		s.contents["/"+name] = content
	}
	h, _ := serve(t, s)
	delete(contents, "y/b c.csv") // its name is not the one in the URL
	filestest.Check(t, h, "", contents)
	if got, err := readAll(t, h, "y/b%20c.csv"); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestADownloadThatBreaksIsResumedWhereItBroke(t *testing.T) {
	breaks := map[string]func(w http.ResponseWriter, content []byte){
		"the connection is cut": func(w http.ResponseWriter, content []byte) {
			_, _ = w.Write(content[:len(content)/2])
			panic(http.ErrAbortHandler)
		},
		"the answer is shorter than it said": func(w http.ResponseWriter, content []byte) {
			conn, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: \"1\"\r\nConnection: close\r\n\r\n", len(content))
			_, _ = buf.Write(content[:len(content)/2])
			_ = buf.Flush()
			_ = conn.Close()
		},
		"no byte comes any more": func(w http.ResponseWriter, content []byte) {
			_, _ = w.Write(content[:len(content)/2])
			_ = http.NewResponseController(w).Flush()
			<-time.After(500 * time.Millisecond)
		},
	}
	for name, spoil := range breaks {
		t.Run(name, func(t *testing.T) {
			var ranges []string
			var mu sync.Mutex
			s := &site{contents: map[string][]byte{"/x": large}, version: `"1"`}
			s.spoil = func(n int32, w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodHead {
					return false
				}
				mu.Lock()
				ranges = append(ranges, r.Header.Get("Range")+r.Header.Get("If-Match"))
				first := len(ranges) == 1
				mu.Unlock()
				if first {
					w.Header().Set("ETag", `"1"`)
					w.Header().Set("Content-Length", strconv.Itoa(len(large)))
					spoil(w, large)
				}
				return first
			}
			h, _ := serve(t, s)
			h.Stall = 100 * time.Millisecond
			got, err := readAll(t, h, "x")
			if err != nil || !bytes.Equal(got, large) {
				t.Fatalf("%d bytes of %d, %v", len(got), len(large), err)
			}
			if len(ranges) != 2 || !strings.HasPrefix(ranges[1], "bytes=") || !strings.HasSuffix(ranges[1], `"1"`) {
				t.Errorf("asked for %q", ranges)
			}
		})
	}
}

func TestAFileThatChangesBetweenTwoRangesIsAnError(t *testing.T) {
	s := &site{contents: map[string][]byte{"/x": large}, version: `"1"`}
	first := true
	s.spoil = func(_ int32, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead || !first {
			return false
		}
		first = false
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(large)))
		_, _ = w.Write(large[:len(large)/2])
		s.change("/x", strings.Repeat("x", len(large)), `"2"`)
		panic(http.ErrAbortHandler)
	}
	h, _ := serve(t, s)
	if _, err := readAll(t, h, "x"); !errors.Is(err, files.ErrChanged) {
		t.Errorf("got %v, want ErrChanged", err)
	}
}

func TestWithoutAVersionABrokenDownloadIsAnErrorThatMayPass(t *testing.T) {
	s := &site{contents: map[string][]byte{"/x": large}}
	s.spoil = func(_ int32, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(large)))
		_, _ = w.Write(large[:len(large)/2])
		panic(http.ErrAbortHandler)
	}
	h, _ := serve(t, s)
	h.MaxWait = -1
	_, err := readAll(t, h, "x")
	if err == nil || !strings.Contains(err.Error(), "broke off after") || !strings.Contains(err.Error(), "neither an ETag nor a date") || pipeline.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
}

func TestWhatAServerAnswersIsSaidInWords(t *testing.T) {
	tests := map[string]struct {
		answer    http.HandlerFunc
		says      string
		is        error
		permanent bool
		requests  int32 // at least, at most
	}{
		"not there":        {status(404), "404 Not Found", fs.ErrNotExist, true, 1},
		"no permission":    {status(403), "403 Forbidden: set Header", fs.ErrPermission, true, 2}, // HEAD may be what is forbidden
		"no token":         {status(401), "401 Unauthorized: set Header", fs.ErrPermission, true, 1},
		"a strange status": {status(418), "418 I'm a teapot", nil, true, 1},
		"it is down":       {status(503), "503 Service Unavailable", nil, false, 2},
		"too many":         {retryAfter("3600"), "429 Too Many Requests", nil, false, 1},
		"a redirect to itself": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, "redirects more than 10 times", nil, true, 11},
		"a redirect to another scheme": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://127.0.0.1/x?secret=hush", http.StatusFound)
		}, "redirects from http to ftp, which is not followed", nil, true, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &site{spoil: func(_ int32, w http.ResponseWriter, r *http.Request) bool { tt.answer(w, r); return true }}
			h, server := serve(t, s)
			h.MaxWait = 300 * time.Millisecond
			_, err := h.Stat(t.Context(), "x.csv?signature=hush")
			if err == nil || !strings.HasPrefix(err.Error(), server.URL+"/x.csv: ") || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) || pipeline.IsPermanent(err) != tt.permanent {
				t.Errorf("%v: permanent is %v", err, pipeline.IsPermanent(err))
			}
			if n := s.requests.Load(); n < tt.requests || tt.permanent && n > tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func retryAfter(seconds string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", seconds)
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

func TestABusyServerIsAskedAgainAfterAsLongAsItWants(t *testing.T) {
	s := &site{contents: map[string][]byte{"/x": []byte("x")}}
	s.spoil = func(n int32, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			retryAfter("1")(w, r)
		}
		return n == 1
	}
	h, _ := serve(t, s)
	h.MaxWait = 5 * time.Second
	began := time.Now()
	if got, err := readAll(t, h, "x"); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("asked again after %v", took)
	}
}

func TestAHeaderGoesToTheFirstHostOnly(t *testing.T) {
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("X-Token"))
		w.Header().Set("Content-Length", "0")
	}))
	defer other.Close()
	defer other.Client().CloseIdleConnections()
	s := &site{spoil: func(_ int32, w http.ResponseWriter, r *http.Request) bool {
		got = append(got, r.Header.Get("X-Token"))
		http.Redirect(w, r, other.URL, http.StatusFound)
		return true
	}}
	h, _ := serve(t, s)
	h.Header = http.Header{"X-Token": {"secret"}}
	if _, err := h.Stat(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != "secret" || got[1] != "" {
		t.Errorf("the hosts saw %q", got)
	}
}

func TestAServerWithoutHEADOrRangesIsReadFromStartToEnd(t *testing.T) {
	s := &site{spoil: func(_ int32, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return true
		}
		_, _ = w.Write(large)
		return true
	}}
	h, _ := serve(t, s)
	got, err := readAll(t, h, "x")
	if err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	info, err := h.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Open(t.Context(), info, 10, 20); err == nil || !strings.Contains(err.Error(), "does not know ranges") {
		t.Errorf("a range of it gave %v", err)
	}
}

func TestAReadThatWaitsForAServerEndsWithItsContext(t *testing.T) {
	s := &site{spoil: func(_ int32, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "100")
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte("some"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
		return true
	}}
	h, _ := serve(t, s)
	info, err := h.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := h.Open(ctx, info, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	buf := make([]byte, 4)
	if _, err := io.ReadFull(r, buf); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Read(buf); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestNoPatternCanBeReadFromAServer(t *testing.T) {
	h, _ := serve(t, &site{})
	_, err := files.Input{Path: "in/*.csv", Store: h}.Files(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot list files") || !pipeline.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
}
