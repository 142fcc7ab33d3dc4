package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// answered is what the server behind would answer.
func answered(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, r)
	return recorder
}

// send sends the beginning of an answer.
func send(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body)     // to a client that may be gone
	w.(http.Flusher).Flush() //nolint:forcetypeassert // it is one
}

// shortPatience makes what is given up after a minute be given up soon.
func shortPatience(t *testing.T, d time.Duration) {
	was := patience
	patience = d
	t.Cleanup(func() { patience = was })
}

// What comes between a download and its end: it goes on where it broke, or ends with an error that says why. What was
// read is never anything but the object's.
func TestDownloadsThatBreak(t *testing.T) {
	const size = 300_000
	content := noise(size)
	type request struct {
		n    int // of the download's
		next http.Handler
		w    http.ResponseWriter
		r    *http.Request
	}
	pass := func(q request) { q.next.ServeHTTP(q.w, q.r) }
	cut := func(q request, after int) {
		answer := answered(q.next, q.r)
		send(q.w, answer, answer.Body.Bytes()[:min(after, answer.Body.Len())])
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		name     string
		from, to int64 // 0, -1 for all
		handle   func(q request)
		ranges   []string // that were asked for
		fails    string   // how the error begins
		changed  bool     // if it is an ErrChanged
	}{
		{name: "cut in the middle, three times", to: -1, handle: func(q request) {
			if q.n > 3 {
				pass(q)
				return
			}
			cut(q, 70_000)
		}, ranges: []string{"", "bytes=70000-299999", "bytes=140000-299999", "bytes=210000-299999"}},
		{name: "a range is cut", from: 1000, to: 200_000, handle: func(q request) {
			if q.n > 1 {
				pass(q)
				return
			}
			cut(q, 50_000)
		}, ranges: []string{"bytes=1000-199999", "bytes=51000-199999"}},
		{name: "it stalls", to: -1, handle: func(q request) {
			if q.n > 1 {
				pass(q)
				return
			}
			answer := answered(q.next, q.r)
			send(q.w, answer, answer.Body.Bytes()[:size/2])
			<-q.r.Context().Done()
		}, ranges: []string{"", "bytes=150000-299999"}},
		{name: "an answer is shorter than what was asked for", from: 1000, to: 200_000, handle: func(q request) {
			if q.n > 1 {
				pass(q)
				return
			}
			answer := answered(q.next, q.r)
			answer.Header().Set("Content-Length", "5000")
			send(q.w, answer, answer.Body.Bytes()[:5000])
		}, ranges: []string{"bytes=1000-199999", "bytes=6000-199999"}},
		{name: "an answer is longer than what was asked for", from: 1000, to: 200_000, handle: func(q request) {
			answer := answered(q.next, q.r)
			answer.Header().Del("Content-Length")
			send(q.w, answer, append(answer.Body.Bytes(), "more"...))
		}, ranges: []string{"bytes=1000-199999"}, fails: "the service sent more than it said"},
		{name: "the service says that there is less of it", to: -1, handle: func(q request) {
			answer := answered(q.next, q.r)
			answer.Header().Set("Content-Length", "5000")
			send(q.w, answer, answer.Body.Bytes()[:5000])
		}, ranges: []string{""}, fails: "a.csv: the object has 5000 bytes now, and had 300000 when it was looked up", changed: true},
		{name: "no byte comes, however often it is asked for", to: -1, handle: func(q request) {
			if q.n == 1 {
				cut(q, 70_000)
			}
			cut(q, 0)
		}, ranges: append([]string{""}, slices.Repeat([]string{"bytes=70000-299999"}, maxBreaks)...), fails: "the download broke off after 70000 bytes ("},
		{name: "the service is down from then on", to: -1, handle: func(q request) {
			if q.n == 1 {
				cut(q, 70_000)
			}
			refuse(q.w, http.StatusServiceUnavailable, "SlowDown")
		}, fails: "the download broke off after 70000 bytes ("},
		{name: "the right to read is taken away", to: -1, handle: func(q request) {
			if q.n == 1 {
				cut(q, 70_000)
			}
			refuse(q.w, http.StatusForbidden, "AccessDenied")
		}, ranges: []string{"", "bytes=70000-299999"}, fails: "the download broke off after 70000 bytes ("},
	} {
		t.Run(c.name, func(t *testing.T) {
			shortPatience(t, 2*time.Second)
			server := newS3(t)
			s := openS3(t, server.URL, "bucket")
			info := put(t, s, "a.csv", content)
			var ranges []string // one request after the other
			server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				ranges = append(ranges, r.Header.Get("Range"))
				c.handle(request{len(ranges), next, w, r})
			})
			got, err := get(s, info, c.from, c.to)
			want := content[c.from:]
			if c.to >= 0 {
				want = content[c.from:c.to]
			}
			if c.fails == "" && (err != nil || !bytes.Equal(got, want)) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if c.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), c.fails) || strings.Contains(err.Error(), "\n") || !bytes.HasPrefix(want, got)) {
				t.Errorf("got %d bytes, %v, want %s", len(got), err, c.fails)
			}
			if errors.Is(err, files.ErrChanged) != c.changed {
				t.Errorf("got %v", err)
			}
			if c.ranges != nil && !slices.Equal(ranges, c.ranges) {
				t.Errorf("asked for %q, want %q", ranges, c.ranges)
			}
		})
	}
}

func TestAnObjectThatIsReplacedWhileItsDownloadIsBrokenIsFound(t *testing.T) {
	server := newS3(t)
	s := openS3(t, server.URL, "bucket")
	info := put(t, s, "a.csv", noise(300_000))
	other := bytes.Repeat([]byte("x"), 300_000)
	server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		answer := answered(next, r)
		server.stand(nil)
		put(t, s, "a.csv", other)
		send(w, answer, answer.Body.Bytes()[:100_000])
		panic(http.ErrAbortHandler)
	})
	got, err := get(s, info, 0, -1)
	if !errors.Is(err, files.ErrChanged) || !bytes.HasPrefix(noise(300_000), got) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// What is wrong with a bucket is told in one line, and whether another attempt may do better.
func TestBucketsThatCannotBeUsed(t *testing.T) {
	server := newS3(t)
	always := func(status int, code string) string {
		s := newS3(t)
		s.stand(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) })
		return s.URL
	}
	nobody := httptest.NewServer(nil)
	nobody.Close()
	page := httptest.NewServer(http.NotFoundHandler()) // some other server
	t.Cleanup(page.Close)
	for _, c := range []struct {
		name, endpoint, bucket, says string
		permanent                    bool
		is                           error
	}{
		{"the bucket is not there", server.URL, "nope", "the bucket is not there", true, nil},
		{"no permission", always(http.StatusForbidden, "AccessDenied"), "bucket", "permission denied (403 ", true, fs.ErrPermission},
		{"a wrong key", always(http.StatusForbidden, "SignatureDoesNotMatch"), "bucket", "permission denied (403 ", true, fs.ErrPermission},
		{"another region", always(http.StatusMovedPermanently, "PermanentRedirect"), "bucket", "the bucket is in another region, or behind another endpoint", true, nil},
		{"an endpoint that is no bucket's", page.URL, "bucket", "the bucket is not there", true, nil},
		{"an endpoint where nobody is", nobody.URL, "bucket", "the bucket cannot be reached: ", false, nil},
		{"a service that is down", always(http.StatusServiceUnavailable, "SlowDown"), "bucket", "the service fails (503 ", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openS3(t, c.endpoint, c.bucket)
			for name, try := range map[string]func() error{
				"Stat": func() error { _, err := s.Stat(t.Context(), "a.csv"); return err },
				"List": func() (err error) {
					for _, e := range s.List(t.Context(), "a") {
						err = e
					}
					return err
				},
				"Open": func() error { _, err := get(s, files.Info{Name: "a.csv", Size: -1}, 0, -1); return err },
				"Create": func() error {
					d, err := s.Create(t.Context(), "a.csv")
					if err != nil {
						return err
					}
					_, err = d.Write([]byte("a"))
					return errors.Join(err, d.Close())
				},
				"Move":     func() error { return s.Move(t.Context(), "a.csv", "b.csv") },
				"Remove":   func() error { return s.Remove(t.Context(), "a.csv") },
				"Validate": func() error { return files.Output{Path: "a.csv", Store: s}.Validate(t.Context()) },
			} {
				err := try()
				switch {
				case err == nil || !strings.HasPrefix(err.Error(), "a") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n"):
					t.Errorf("%s: %v, want %s", name, err, c.says)
				case strings.Contains(err.Error(), "secret"):
					t.Errorf("%s: %v tells a secret", name, err)
				case pipeline.IsPermanent(err) != c.permanent:
					t.Errorf("%s: %v, permanent: %v", name, err, !c.permanent)
				case c.is != nil && !errors.Is(err, c.is):
					t.Errorf("%s: %v is no %v", name, err, c.is)
				}
			}
		})
	}
}

// A service that takes an upload and never answers holds a run up only until somebody ends it.
func TestAnUploadThatStallsEndsWithTheRun(t *testing.T) {
	for _, size := range []int{1, 20 << 20} { // in one request, and in parts
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			server := newS3(t)
			s := openS3(t, server.URL, "bucket")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPut {
					next.ServeHTTP(w, r)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body) // a server hears that a client is gone only when it has read all
				cancel()
				<-r.Context().Done()
			})
			p := pipeline.New("p", pipeline.Options{})
			from := pipeline.From(p, "make", sources.Slice[item]{{1, strings.Repeat("x", size)}})
			pipeline.To(from, "write", sinks.CSV[item]{Store: s, Path: "a.csv"})
			if _, err := p.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			server.stand(nil)
			if left := names(t, s); len(left) != 0 || server.uploads(t) != 0 {
				t.Errorf("there are %q and %d uploads", left, server.uploads(t))
			}
		})
	}
}
