package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gocloud.dev/blob/memblob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/files/filestest"
)

// everywhere is each kind of bucket that can be had in one process.
func everywhere(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("S3", func(t *testing.T) { test(t, openS3(t, newS3(t).URL, "bucket")) })
	t.Run("memory", func(t *testing.T) { test(t, opened(t, memblob.OpenBucket(nil), nil)) })
}

func TestBucketsKeepTheRules(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		filestest.CheckWritable(t, s, "in/")
		filestest.CheckWritable(t, s, "")
	})
}

// What List says of an object is what Stat says: a version from one of them opens it.
func TestListAndStatAgree(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		put(t, s, "a.csv", []byte("a"))
		put(t, s, "b/c.csv", noise(100))
		n := 0
		for listed, err := range s.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
			looked, err := s.Stat(t.Context(), listed.Name)
			if err != nil || looked.Version != listed.Version || looked.Size != listed.Size || listed.Version == "" || listed.Modified.IsZero() {
				t.Errorf("listed %+v, looked up %+v, %v", listed, looked, err)
			}
			if got, err := get(s, listed, 0, -1); err != nil || int64(len(got)) != listed.Size {
				t.Errorf("%s: %d bytes, %v", listed.Name, len(got), err)
			}
		}
		if n != 2 {
			t.Errorf("%d objects", n)
		}
	})
}

func TestAnObjectThatChangesBetweenTwoRangesIsFound(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		info := put(t, s, "a.csv", noise(1000))
		if _, err := get(s, info, 0, 500); err != nil {
			t.Fatal(err)
		}
		put(t, s, "a.csv", bytes.Repeat([]byte("x"), 1000))
		for _, r := range [][2]int64{{500, 1000}, {0, -1}, {1000, -1}} {
			got, err := get(s, info, r[0], r[1])
			if !errors.Is(err, files.ErrChanged) || !strings.HasPrefix(err.Error(), "a.csv: the object has") || len(got) > 0 {
				t.Errorf("from %d: %d bytes and %v", r[0], len(got), err)
			}
		}
	})
}

// The service is asked for the version, so that one which heeds that never begins to send another.
func TestS3IsAskedForTheVersion(t *testing.T) {
	server := newS3(t)
	s := openS3(t, server.URL, "bucket")
	info := put(t, s, "a.csv", noise(1000))
	var asked atomic.Value
	server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			asked.Store(r.Header.Get("If-Match") + " " + r.Header.Get("Range"))
		}
		next.ServeHTTP(w, r)
	})
	if _, err := get(s, info, 200, 300); err != nil {
		t.Fatal(err)
	}
	if want := `"` + info.Version + `" bytes=200-299`; asked.Load() != want {
		t.Errorf("asked for %q, want %q", asked.Load(), want)
	}
	server.stand(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPreconditionFailed)
	})
	if _, err := get(s, info, 0, -1); !errors.Is(err, files.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestADraftThatIsDroppedLeavesNothing(t *testing.T) {
	check := func(t *testing.T, s Store) {
		d, err := s.Create(t.Context(), "a.csv")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 { // more than a part
			if _, err := d.Write(noise(10 << 20)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Abort(); err != nil {
			t.Error(err)
		}
		if got := names(t, s); len(got) != 0 {
			t.Errorf("there is %q", got)
		}
	}
	everywhere(t, check)
	t.Run("S3, its parts", func(t *testing.T) {
		server := newS3(t)
		check(t, openS3(t, server.URL, "bucket"))
		if n := server.uploads(t); n != 0 {
			t.Errorf("%d uploads are left", n)
		}
	})
}

// However an upload ends, its parts are not kept and billed.
func TestAnUploadThatFailsLeavesNoParts(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(server *s3Server, cancel func())
		says string
	}{
		{"the run is cancelled", func(_ *s3Server, cancel func()) { cancel() }, "context canceled"},
		{"S3 refuses the end", func(server *s3Server, _ func()) {
			server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					refuse(w, http.StatusForbidden, "AccessDenied")
					return
				}
				next.ServeHTTP(w, r)
			})
		}, "a.csv: permission denied (403 AccessDenied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newS3(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d, err := openS3(t, server.URL, "bucket").Create(ctx, "a.csv")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Write(noise(40 << 20)); err != nil {
				t.Fatal(err)
			}
			c.fail(server, cancel)
			if err := d.Close(); err == nil || !strings.HasPrefix(err.Error(), c.says) {
				t.Errorf("got %v, want %s", err, c.says)
			}
			if err := d.Abort(); err != nil { // as a unit does
				t.Error(err)
			}
			server.stand(nil)
			if n := server.uploads(t); n != 0 {
				t.Errorf("%d uploads are left", n)
			}
		})
	}
}

func TestNamesThatNoObjectCanHave(t *testing.T) {
	s := opened(t, memblob.OpenBucket(nil), nil)
	for name, says := range map[string]string{
		"":                        "the name is empty",
		"a\nb.csv":                "it has a control character",
		"a\xffb":                  "it is not in UTF-8",
		"in/../b.csv":             "is no path",
		"./b.csv":                 "is no path",
		"in/":                     "it ends in a slash",
		"a__0x2f__b":              "__0x2f__ stands for another character",
		strings.Repeat("x", 1025): "it has 1025 bytes",
	} {
		at := s
		_, stat := at.Stat(t.Context(), name)
		_, create := at.Create(t.Context(), name)
		_, open := at.Open(t.Context(), files.Info{Name: name}, 0, -1)
		for _, err := range []error{stat, create, open, at.Move(t.Context(), "a", name), at.Move(t.Context(), name, "a"), at.Remove(t.Context(), name)} {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v, want %s", name, err, says)
			}
		}
	}
}

func TestNamesThatObjectsHave(t *testing.T) {
	everywhere(t, func(t *testing.T, s Store) {
		want := []string{"a b.csv", "a&b=c;d.csv", "a+b.csv", "in//double.csv", "dt=2026-11-01/ä 日本 😀.csv", "x{1,2}[3]*~!$'(),@:.csv", strings.Repeat("n", 200)}
		for i, name := range want {
			put(t, s, "x/"+name, noise(i))
			if err := s.Move(t.Context(), "x/"+name, name); err != nil {
				t.Error(err)
			}
			if got, err := get(s, files.Info{Name: name, Size: -1}, 0, -1); err != nil || !bytes.Equal(got, noise(i)) {
				t.Errorf("%q: %d bytes, %v", name, len(got), err)
			}
		}
		slices.Sort(want)
		if got := names(t, s); !slices.Equal(got, want) {
			t.Errorf("there are %q, want %q", got, want)
		}
	})
}

func TestAMoveOntoItselfLosesNothing(t *testing.T) {
	s := openS3(t, newS3(t).URL, "bucket")
	put(t, s, "a.csv", []byte("a"))
	if err := s.Move(t.Context(), "a.csv", "a.csv"); err != nil {
		t.Error(err)
	}
	if got := names(t, s); len(got) != 1 {
		t.Errorf("there is %q", got)
	}
}

// A move that died after the copy is done again.
func TestAMoveThatWasCutShortIsDoneAgain(t *testing.T) {
	server := newS3(t)
	s := openS3(t, server.URL, "bucket")
	put(t, s, "to.csv", []byte("old"))
	put(t, s, "from.csv", []byte("new"))
	server.stand(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	if err := s.Move(t.Context(), "from.csv", "to.csv"); err == nil {
		t.Fatal("no error")
	}
	if got := names(t, s); !slices.Equal(got, []string{"from.csv", "to.csv"}) {
		t.Errorf("there is %q", got)
	}
	server.stand(nil)
	if err := s.Move(t.Context(), "from.csv", "to.csv"); err != nil {
		t.Error(err)
	}
	if err := s.Move(t.Context(), "from.csv", "to.csv"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("once more: %v", err)
	}
	if got, err := get(s, files.Info{Name: "to.csv", Size: -1}, 0, -1); string(got) != "new" || err != nil {
		t.Errorf("it holds %q, %v", got, err)
	}
	if got := names(t, s); !slices.Equal(got, []string{"to.csv"}) {
		t.Errorf("there is %q", got)
	}
}

// A hundred pages are read one by one: what is held meanwhile is one of them.
func TestAListingOfManyObjectsIsReadPageByPage(t *testing.T) {
	const many, page = 100_000, 1000
	server := newS3(t)
	var pages atomic.Int64
	server.stand(func(_ http.Handler, w http.ResponseWriter, r *http.Request) {
		first := 0
		if token := r.URL.Query().Get("continuation-token"); token != "" {
			if _, err := fmt.Sscan(token, &first); err != nil {
				t.Error(err)
			}
		}
		pages.Add(1)
		writePage(w, first, min(first+page, many), many)
	})
	s := openS3(t, server.URL, "bucket")
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, peak := 0, uint64(0)
	for f, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != fmt.Sprintf("in/%08d.csv", n) || f.Version != "abc" {
			t.Fatalf("object %d is %+v", n, f)
		}
		if n++; n%10_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
	}
	if n != many || pages.Load() != many/page {
		t.Errorf("%d objects in %d pages", n, pages.Load())
	}
	t.Logf("%d objects in %d pages; %d KiB more on the heap", n, pages.Load(), peak>>10)
	if peak > 4<<20 {
		t.Errorf("%d bytes are held", peak)
	}
	for _, err := range s.List(t.Context(), "") { // and whoever has seen enough asks no more
		if err != nil {
			t.Error(err)
		}
		break
	}
	if pages.Load() != many/page+1 {
		t.Errorf("%d pages", pages.Load())
	}
}

func writePage(w http.ResponseWriter, from, to, many int) {
	fmt.Fprint(w, `<ListBucketResult><Name>bucket</Name>`)
	if to < many {
		fmt.Fprintf(w, `<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>`, to)
	}
	for i := from; i < to; i++ {
		fmt.Fprintf(w, `<Contents><Key>in/%08d.csv</Key><LastModified>2026-11-01T00:00:00Z</LastModified><ETag>"abc"</ETag><Size>1</Size></Contents>`, i)
	}
	fmt.Fprint(w, `</ListBucketResult>`)
}

func TestABucketThatDoesNotListByNameIsAnError(t *testing.T) {
	server := newS3(t)
	server.stand(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<ListBucketResult>`)
		for _, name := range []string{"b.csv", "folder/", "a.csv"} {
			fmt.Fprintf(w, `<Contents><Key>%s</Key><LastModified>2026-11-01T00:00:00Z</LastModified><ETag>"abc"</ETag><Size>1</Size></Contents>`, name)
		}
		fmt.Fprint(w, `</ListBucketResult>`)
	})
	var got []string
	for f, err := range openS3(t, server.URL, "bucket").List(t.Context(), "x") {
		if err != nil {
			said, _, _ := strings.Cut(err.Error(), ",")
			got = append(got, said)
			continue
		}
		got = append(got, f.Name)
	}
	if want := []string{"b.csv", `x*: the bucket lists "a.csv" after "folder/"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
