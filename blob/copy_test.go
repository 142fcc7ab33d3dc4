package blob

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob/s3blob"
)

// large is an S3 with one object of any size, of which it has no byte.
type large struct {
	t    *testing.T
	size int64
	fail string // the part whose copy fails

	mu     sync.Mutex
	ranges []string // of the parts, by their number
	done   []string // what else was asked for, in order
}

func (l *large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	query := r.URL.Query()
	part := query.Get("partNumber")
	switch {
	case r.Method == http.MethodHead:
		w.Header().Set("Content-Length", fmt.Sprint(l.size))
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Type", "text/csv")
	case r.Method == http.MethodPut && part != "":
		var n int
		if _, err := fmt.Sscan(part, &n); err != nil {
			l.t.Error(err)
		}
		if from, err := url.QueryUnescape(r.Header.Get("X-Amz-Copy-Source")); err != nil || from != "bucket/from 1.csv" {
			l.t.Errorf("part %d is copied from %q, %v", n, from, err)
		}
		if r.Header.Get("X-Amz-Copy-Source-If-Match") != `"v1"` || query.Get("uploadId") != "u1" {
			l.t.Errorf("part %d: %v, %v", n, query, r.Header)
		}
		if part == l.fail {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		l.ranges = append(l.ranges, fmt.Sprintf("%06d %s", n, r.Header.Get("X-Amz-Copy-Source-Range")))
		fmt.Fprintf(w, `<CopyPartResult><ETag>"p%d"</ETag></CopyPartResult>`, n)
	case r.Method == http.MethodPost && query.Has("uploads"):
		l.done = append(l.done, "begin "+r.URL.Path+" "+r.Header.Get("Content-Type"))
		fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			l.t.Error(err)
		}
		l.done = append(l.done, fmt.Sprintf("complete %s, %d parts, in order: %v", r.URL.Path, strings.Count(string(body), "<PartNumber>"),
			strings.Index(string(body), "p1") < strings.Index(string(body), "p2")))
		fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodDelete:
		l.done = append(l.done, "delete "+r.URL.Path+" "+query.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	default:
		l.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// open opens the bucket. Connections are kept: thousands of requests come.
func (l *large) open() Store {
	l.t.Helper()
	server := httptest.NewServer(l)
	l.t.Cleanup(server.Close)
	b, err := s3blob.OpenBucket(l.t.Context(), s3Client(server.URL, func(o *s3.Options) {
		o.Retryer, o.HTTPClient = aws.NopRetryer{}, server.Client()
	}), "bucket", nil)
	return opened(l.t, b, err)
}

// S3 copies no more than 5 GiB at once.
func TestAnObjectTooLargeForOneCopyIsMovedPartByPart(t *testing.T) {
	for _, c := range []struct {
		size  int64
		parts int
		most  int64 // bytes of a part
	}{
		{5<<30 + 1, 6, 1 << 30},
		{17 << 30, 17, 1 << 30},
		{48 << 40, 10_000, 5 << 30}, // more than gigabytes of which there may be so many
	} {
		l := &large{t: t, size: c.size}
		if err := l.open().Move(t.Context(), "from 1.csv", "to.csv"); err != nil {
			t.Fatal(err)
		}
		slices.Sort(l.ranges)
		at := int64(0)
		for i, r := range l.ranges {
			var n, from, to int64
			if _, err := fmt.Sscanf(r, "%d bytes=%d-%d", &n, &from, &to); err != nil || n != int64(i)+1 || from != at || to < from || to-from >= c.most {
				t.Fatalf("of %d bytes part %d is %q, after %d, %v", c.size, i+1, r, at, err)
			}
			at = to + 1
		}
		if at != c.size || len(l.ranges) != c.parts {
			t.Errorf("%d parts of %d bytes end at %d", len(l.ranges), c.size, at)
		}
		want := []string{"begin /bucket/to.csv text/csv", fmt.Sprintf("complete /bucket/to.csv, %d parts, in order: true", c.parts), "delete /bucket/from 1.csv "}
		if !slices.Equal(l.done, want) {
			t.Errorf("%q, want %q", l.done, want)
		}
	}
}

func TestACopyInPartsThatFailsLeavesNothingAndDeletesNothing(t *testing.T) {
	l := &large{t: t, size: 20 << 30, fail: "7"}
	err := l.open().Move(t.Context(), "from 1.csv", "to.csv")
	const says = "to.csv: it could not be copied from from 1.csv: the object has changed since it was looked up (412 PreconditionFailed"
	if err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want %s", err, says)
	}
	if want := []string{"begin /bucket/to.csv text/csv", "delete /bucket/to.csv u1"}; !slices.Equal(l.done, want) {
		t.Errorf("%q, want %q", l.done, want)
	}
}
