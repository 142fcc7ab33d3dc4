package sources_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

func TestLanesAreEven(t *testing.T) {
	dir := t.TempDir()
	row := "1,tea,3\n"
	write := func(name string, rows int) string {
		return file(t, dir, name, "id,product,quantity\n"+strings.Repeat(row, rows))
	}
	write("many-1.csv", 900_000)
	write("many-2.csv", 1_100_000)
	for _, tt := range []struct {
		name, path string
		lanes      int
	}{
		{"two lanes of a file", write("one.csv", 2_000_001), 2},
		{"three lanes of a file", filepath.Join(dir, "one.csv"), 3},
		{"two lanes of two files", filepath.Join(dir, "many-*.csv"), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parts, err := sources.CSV[sale]{Path: tt.path}.Split(t.Context(), tt.lanes)
			check(t, err)
			var counts []int
			total := 0
			for _, part := range parts {
				got, _, err := run(t, part, pipeline.Options{})
				check(t, err)
				counts = append(counts, len(got))
				total += len(got)
			}
			if total < 2_000_000 || len(counts) != tt.lanes {
				t.Fatalf("%d records in %d lanes", total, len(counts))
			}
			for _, n := range counts {
				if share := total / tt.lanes; n < share*9/10 || n > share*11/10 {
					t.Errorf("lanes of %d records", counts)
				}
			}
		})
	}
}

func TestGzipMayBePadded(t *testing.T) {
	packed := pack(t, files.Gzip, "id,product,quantity\n1,tea,3\n")
	for _, tt := range []struct {
		name, data, err string
	}{
		{"with zeros", packed + strings.Repeat("\x00", 512), ""},
		{"with zeros and then something", packed + "\x00\x00x", "bytes other than zeros follow"},
		{"with something", packed + "xyz", "gzip data ends too early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, report, err := run(t, sources.CSV[sale]{Path: file(t, t.TempDir(), "a.csv.gz", tt.data)}, pipeline.Options{})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || len(got) != 1 || report.Stage("extract").Bytes != int64(len(tt.data)) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestAPathThatNeedsAStoreIsNamed(t *testing.T) {
	for path, want := range map[string]string{
		"s3://bucket/sales.csv":          `the Path "s3://bucket/sales.csv" is no path of this machine's disk: set Store`,
		"https://user:secret@host/s.csv": `the Path "https://host/s.csv" is no path`,
	} {
		_, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || !pipeline.IsPermanent(err) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	dir := t.TempDir()
	odd := file(t, dir, "{1}.csv", "id,product,quantity\n1,tea,3\n")
	file(t, dir, "in/deep/1.csv", "id,product,quantity\n1,tea,3\n")
	for _, path := range []string{odd, filepath.Join(dir, "**", "1.csv"), filepath.Join(dir, "{in,out}", "deep", "*.csv")} {
		if got, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{}); err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
}

func TestAnEmptyNumberNamesFileLineAndColumn(t *testing.T) {
	path := file(t, t.TempDir(), "sales.csv", "id,product,quantity\n1,tea,3\n2,mug,\n")
	_, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{})
	want := path + `: line 3: column "quantity" is empty; for NULL use a pointer, for a value say omitempty or default= in its csv tag`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestInputsThatAreNoCSVAreNamedWithoutTheirBytes(t *testing.T) {
	for name, tt := range map[string]struct{ content, want string }{
		"utf16.csv": {"\"\x00i\x00d\x00\"\x00", "UTF-16 without a byte order mark"},
		"cr.csv":    {"id,product,quantity\r1,tea,3\r", "the lines end in CR alone"},
		"zip.csv":   {"PK\x03\x04\x14\x00\x00\x00", "what should be zip data is not"},
		"title.csv": {"Sales\nid,product,quantity\n1,tea,3\n", "line 2 has them: set Dialect.SkipLines to 1"},
	} {
		for _, noHeader := range []bool{false, name != "title.csv" && name != "cr.csv"} {
			path := file(t, t.TempDir(), name, tt.content)
			_, _, err := run(t, sources.CSV[sale]{Path: path, NoHeader: noHeader}, pipeline.Options{MaxRejects: -1})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.ContainsAny(err.Error(), "\x00\r\n") || !pipeline.IsPermanent(err) {
				t.Errorf("%s: got %v, want %s", name, err, tt.want)
			}
		}
	}
}
