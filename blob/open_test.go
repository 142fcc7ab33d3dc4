package blob

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

const cloudText = "n,text\n1,one\n"

// cloudServer is as much of a cloud as is asked here: one object a.csv in one bucket, of one version.
func cloudServer(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handle)
	server.Config.SetKeepAlivesEnabled(false) // so that no connection outlives the test
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// google speaks as https://cloud.google.com/storage/docs/json_api says. version is what the object has now.
func google(t *testing.T, version *string) http.HandlerFunc {
	object := func() string {
		return fmt.Sprintf(`{"name":"a.csv","bucket":"bucket","generation":%q,"metageneration":"1","size":"%d","updated":"2026-11-01T00:00:00Z"}`,
			*version, len(cloudText))
	}
	return func(w http.ResponseWriter, r *http.Request) {
		asked := r.Header.Get("X-Goog-If-Generation-Match") + r.URL.Query().Get("ifGenerationMatch")
		switch {
		case strings.HasSuffix(r.URL.Path, "/b/bucket/o"):
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"items":[%s]}`, object())
		case strings.HasSuffix(r.URL.Path, "/b/bucket/o/a.csv") && r.URL.Query().Get("alt") != "media":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, object())
		case strings.HasSuffix(r.URL.Path, "/a.csv"):
			if asked != "7" {
				t.Errorf("asked for generation %q: %v", asked, r.URL)
			}
			if asked != *version {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			w.Header().Set("X-Goog-Generation", *version)
			fmt.Fprint(w, cloudText)
		default:
			t.Errorf("asked for %v", r.URL)
		}
	}
}

// azureBlob speaks as https://learn.microsoft.com/en-us/rest/api/storageservices/ says.
func azureBlob(t *testing.T, version *string) http.HandlerFunc {
	const modified = "Sun, 01 Nov 2026 00:00:00 GMT"
	return func(w http.ResponseWriter, r *http.Request) {
		head := func() {
			w.Header().Set("ETag", `"`+*version+`"`)
			w.Header().Set("Last-Modified", modified)
			w.Header().Set("X-Ms-Creation-Time", modified)
			w.Header().Set("Content-Length", fmt.Sprint(len(cloudText)))
		}
		switch {
		case r.URL.Query().Get("comp") == "list":
			w.Header().Set("Content-Type", "application/xml")
			fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>a.csv</Name><Properties>`+
				`<Last-Modified>%s</Last-Modified><Etag>%s</Etag><Content-Length>%d</Content-Length><BlobType>BlockBlob</BlobType>`+
				`</Properties></Blob></Blobs><NextMarker /></EnumerationResults>`, modified, *version, len(cloudText))
		case r.Method == http.MethodHead:
			head()
		case strings.HasSuffix(r.URL.Path, "/bucket/a.csv"):
			if asked := r.Header.Get("If-Match"); asked != `"7"` {
				t.Errorf("asked for %q", asked)
			}
			if *version != "7" {
				w.Header().Set("X-Ms-Error-Code", "ConditionNotMet")
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			head()
			fmt.Fprint(w, cloudText)
		default:
			t.Errorf("asked for %v", r.URL)
		}
	}
}

// Each kind of bucket is opened as a user does, listed, and read at one version.
func TestOpenTakesEachCloud(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "account")
	t.Setenv("AZURE_STORAGE_KEY", base64.StdEncoding.EncodeToString([]byte("secret")))
	for scheme, prepare := range map[string]func(t *testing.T, version *string) (url string){
		"gs": func(t *testing.T, version *string) string {
			t.Setenv("STORAGE_EMULATOR_HOST", cloudServer(t, google(t, version)))
			return "gs://bucket?anonymous=true"
		},
		"azblob": func(t *testing.T, version *string) string {
			return "azblob://bucket?protocol=http&domain=" + cloudServer(t, azureBlob(t, version))
		},
		"s3": func(t *testing.T, _ *string) string {
			server := newS3(t)
			server.Config.SetKeepAlivesEnabled(false)
			return "s3://bucket?region=eu-central-1&use_path_style=true&endpoint=" + server.URL
		},
		"mem": func(*testing.T, *string) string { return "mem://" },
	} {
		t.Run(scheme, func(t *testing.T) {
			version := "7"
			s, err := Open(t.Context(), prepare(t, &version))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Bucket.Close()
			if scheme == "s3" || scheme == "mem" {
				put(t, s, "a.csv", []byte(cloudText))
			}
			looked, err := s.Stat(t.Context(), "a.csv")
			if err != nil {
				t.Fatal(err)
			}
			for listed, err := range s.List(t.Context(), "") {
				apart := listed.Modified.Sub(looked.Modified).Abs() // a header has seconds, a listing parts of them
				listed.Modified = looked.Modified
				if err != nil || listed != looked || listed.Version == "" || apart >= time.Second {
					t.Errorf("listed %+v, looked up %+v, %v apart, %v", listed, looked, apart, err)
				}
			}
			if got, err := get(s, looked, 0, -1); err != nil || string(got) != cloudText {
				t.Errorf("got %q, %v", got, err)
			}
			if version = "8"; scheme == "s3" || scheme == "mem" {
				put(t, s, "a.csv", []byte("another text\n"))
			}
			if got, err := get(s, looked, 0, -1); !errors.Is(err, files.ErrChanged) || len(got) > 0 {
				t.Errorf("of another version got %q, %v", got, err)
			}
		})
	}
}

func TestURLsThatAreNoBuckets(t *testing.T) {
	for url, says := range map[string]string{
		"s3://bucket?secret=abc":     `s3://bucket: `,
		"ftp://host/folder":          "ftp://host: this is no URL of a bucket: s3, gs, azblob and mem can be opened",
		"s3://user:secret@bucket/%z": "blob: this is no URL of a bucket, such as s3://name",
		"sales.csv":                  "://: this is no URL of a bucket",
	} {
		_, err := Open(t.Context(), url)
		if err == nil || !strings.HasPrefix(err.Error(), says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "abc") || !pipeline.IsPermanent(err) {
			t.Errorf("%s: %v, want %s", url, err, says)
		}
	}
	_, err := Store{}.Stat(t.Context(), "a.csv")
	if err == nil || err.Error() != "blob.Store: no Bucket is set" {
		t.Errorf("got %v", err)
	}
}
