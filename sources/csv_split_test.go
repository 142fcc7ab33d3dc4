package sources_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// bigFile has n records, some over several lines, and a bad one in every thousand.
func bigFile(n int, comma string) []byte {
	var b bytes.Buffer
	b.WriteString("\xef\xbb\xbf\r\nid" + comma + "product" + comma + "quantity\r\n")
	for i := range n {
		switch {
		case i%1000 == 999:
			fmt.Fprintf(&b, "%d%stea%sbad\r\n", i, comma, comma)
		case i%7 == 0:
			fmt.Fprintf(&b, "%d%s\"a \"\"tea\"\"\n%d%s1%s1\n and\r\n%s\"%s%d\r\n", i, comma, i, comma, comma, strings.Repeat("x\n", i%50), comma, i%30)
		default:
			fmt.Fprintf(&b, "%d%stea%s%d\r\n", i, comma, comma, i%30)
		}
	}
	return b.Bytes()
}

func byID(a, b sale) int { return cmp.Compare(a.ID, b.ID) }
func byPlace(a, b pipeline.Reject) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Offset, b.Offset))
}

func TestLanesReadTheSame(t *testing.T) {
	dir := t.TempDir()
	content := string(bigFile(90_000, ","))
	plain := file(t, dir, "big.csv", content)
	packed := file(t, dir, "big.csv.gz", pack(t, files.Gzip, content))
	many := t.TempDir()
	for i := range 5 {
		file(t, many, fmt.Sprintf("%d.csv", i), string(bigFile(100+i*14_000, ",")))
	}
	_, body, _ := strings.Cut(content, "quantity\r\n")
	for _, tt := range []struct {
		name   string
		source sources.CSV[sale]
		lanes  int // that may have had something to do
	}{
		{"a plain file", sources.CSV[sale]{Path: plain}, 3},
		{"without a header", sources.CSV[sale]{Path: file(t, dir, "body.csv", body), NoHeader: true}, 3},
		{"with comments", sources.CSV[sale]{Path: plain, Dialect: dialect.CSV{Comment: "#"}}, 3},
		{"with another delimiter", sources.CSV[sale]{Path: file(t, dir, "semi.csv", string(bigFile(90_000, ";"))), Dialect: dialect.CSV{Delimiter: ";"}}, 3},
		{"a packed file", sources.CSV[sale]{Path: packed}, 1},
		{"several files", sources.CSV[sale]{Path: filepath.Join(many, "*.csv")}, 3},
		{"a small file", sources.CSV[sale]{Path: file(t, dir, "small.csv", string(bigFile(1000, ",")))}, 1},
		{"a header alone", sources.CSV[sale]{Path: file(t, dir, "header.csv", "id,product,quantity\n")}, 1},
		{"what Open gives", sources.CSV[sale]{Path: "input", Store: opens(content)}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := pipeline.Options{MaxRejects: -1}
			want, wantRejects, wantReport, err := runWithRejects(t, tt.source, o)
			check(t, err)
			got, rejects, report, err := runWithRejects(t, tt.source, o, pipeline.Parallel(3))
			check(t, err)
			slices.SortStableFunc(want, byID)
			slices.SortStableFunc(got, byID)
			if !slices.Equal(got, want) {
				t.Errorf("got %d records, want %d", len(got), len(want))
			}
			slices.SortFunc(rejects, byPlace)
			slices.SortFunc(wantRejects, byPlace)
			if !reflect.DeepEqual(rejects, wantRejects) {
				t.Errorf("got %d rejects, want %d", len(rejects), len(wantRejects))
			}
			parts, err := tt.source.Split(t.Context(), 3)
			if err != nil || len(parts) != tt.lanes {
				t.Errorf("%d parts, %v", len(parts), err)
			}
			// Those who split have read the headers before.
			if n, all := report.Stage("extract").Bytes, wantReport.Stage("extract").Bytes; n > all || n < all-500 {
				t.Errorf("the report shows %d bytes, want %d", n, all)
			}
		})
	}
}

func TestSplitOfABadFile(t *testing.T) {
	dir := t.TempDir()
	big := strings.Repeat("1,tea,3\n", 1<<19)
	for _, tt := range []struct {
		name, content, want string
	}{
		{"a quote that is never closed", "id,product,quantity\n1,\"tea,3\n" + big, "sales.csv: line 2: "},
		{"a bad record in the last part", "id,product,quantity\n" + big + "1,tea,x\n", `sales.csv: line 524290: column "quantity": "x" is not an integer`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, dir, "sales.csv", tt.content)
			_, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{}, pipeline.Parallel(4))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestCancelledSplit(t *testing.T) {
	path := file(t, t.TempDir(), "sales.csv", string(bigFile(90_000, ",")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (sources.CSV[sale]{Path: path}).Split(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := (sources.CSV[sale]{}).Split(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "no Path is set") {
		t.Errorf("got %v", err)
	}
	missing := sources.CSV[sale]{Path: path + "x"}
	if _, err := missing.Split(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "sales.csvx: no such file") {
		t.Errorf("got %v", err)
	}
}

func TestNewFilesInLanes(t *testing.T) {
	f := newFolder(t)
	for _, name := range []string{"a/1.csv", "a/2.csv", "b/1.csv"} {
		file(t, f.path, name, "id,product,quantity\n"+strings.Repeat("1,tea,3\n", 1000))
	}
	for _, want := range []int{3000, 0} {
		f.runs++
		got, _, err := run(t, sources.CSV[sale]{Path: filepath.Join(f.path, "*", "*.csv"), NewFiles: true},
			pipeline.Options{State: f.state, RunID: fmt.Sprint(f.runs)}, pipeline.Parallel(2))
		check(t, err)
		if len(got) != want {
			t.Errorf("got %d records, want %d", len(got), want)
		}
	}
}
