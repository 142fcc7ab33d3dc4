package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"go.uber.org/goleak"
	cloud "gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childJob); text != "" {
		j, err := jobOf(text)
		if err == nil {
			err = j.do(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	stall, patience = time.Second, 10*time.Second
	goleak.VerifyTestMain(devdb.Main(m))
}

// s3Server is an S3 in this process, before which a test may stand.
type s3Server struct {
	*httptest.Server
	backend gofakes3.Backend
	mu      sync.Mutex
	between func(next http.Handler, w http.ResponseWriter, r *http.Request)
}

func newS3(t testing.TB, options ...s3mem.Option) *s3Server {
	t.Helper()
	s := &s3Server{backend: s3mem.New(options...)}
	if err := s.backend.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(s.backend).Server()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		between := s.between
		s.mu.Unlock()
		if between == nil {
			fake.ServeHTTP(w, r)
			return
		}
		between(fake, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// stand puts a test before the server.
func (s *s3Server) stand(between func(next http.Handler, w http.ResponseWriter, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = between
}

// uploads counts those that were begun and not ended.
func (s *s3Server) uploads(t testing.TB) int {
	t.Helper()
	bucket := "bucket"
	list, err := s3Client(s.URL).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket})
	if answerOf(err).is("NoSuchUpload") { // so says this one where there never was one
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Uploads)
}

// refuse answers as S3 does.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>It is said so.</Message></Error>`, code)
}

func s3Client(endpoint string, options ...func(*s3.Options)) *s3.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	transport.DisableKeepAlives = true                           // so that no connection outlives a test
	return s3.New(s3.Options{
		Region: "eu-central-1", BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
	}, options...)
}

func openS3(t testing.TB, endpoint, bucket string) Store {
	t.Helper()
	// One attempt: what a client of its own tries again is none of what is tested here.
	b, err := s3blob.OpenBucket(t.Context(), s3Client(endpoint, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }), bucket, nil)
	return opened(t, b, err)
}

func opened(t testing.TB, b *cloud.Bucket, err error) Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() }) //nolint:errcheck // the test is over
	return Store{b}
}

func put(t testing.TB, s files.Writable, name string, content []byte) files.Info {
	t.Helper()
	d, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(d, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := s.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func get(s files.Store, f files.Info, from, to int64) ([]byte, error) {
	r, err := s.Open(context.Background(), f, from, to)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func names(t testing.TB, s files.Store) (all []string) {
	t.Helper()
	for f, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f.Name)
	}
	return all
}

// noise is content that no two parts of have in common.
func noise(size int) []byte {
	b := make([]byte, size)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
