package sources_test

import (
	"iter"
	"testing/fstest"

	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// Example is the usual case: a struct, its tags, a file.
func Example() {
	type Sale struct {
		Product  string `csv:"product"`
		Quantity int    `csv:"quantity"`
	}
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "sales.csv")
	if err := os.WriteFile(path, []byte("sale_id,product,quantity\n1,\"Tea, green\",2\n2,Mug,1\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	p := pipeline.New("print", pipeline.Options{})
	sales := pipeline.From(p, "extract", sources.CSV[Sale]{Path: path})
	pipeline.To(sales, "print", pipeline.SinkFunc[Sale](func(ctx context.Context, in *pipeline.Reader[Sale]) error {
		for sale, err := range in.All() {
			if err != nil {
				return err
			}
			fmt.Printf("%d × %s\n", sale.Quantity, sale.Product)
		}
		return nil
	}))
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 2 × Tea, green
	// 1 × Mug
}

func ExampleCSV_badRecord() {
	p := pipeline.New("load", pipeline.Options{})
	type Sale struct {
		ID       int `csv:"id"`
		Quantity int `csv:"quantity"`
	}
	sales := pipeline.From(p, "extract", sources.CSV[Sale]{
		Path:  "in_store_sales.csv",
		Store: files.FS(fstest.MapFS{"in_store_sales.csv": {Data: []byte("id,quantity\n1,3\n2,abc\n")}}),
	})
	pipeline.To(sales, "print", pipeline.SinkFunc[Sale](func(_ context.Context, in *pipeline.Reader[Sale]) error {
		for _, err := range in.All() {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := p.Run(context.Background())
	fmt.Println(err)
	// Output:
	// load: extract: in_store_sales.csv: line 3: column "quantity": "abc" is not an integer
}

func ExampleSlice() {
	p := pipeline.New("count", pipeline.Options{})
	words := pipeline.From(p, "words", sources.Slice[string]{"mill", "race"})
	pipeline.To(words, "print", pipeline.SinkFunc[string](func(ctx context.Context, in *pipeline.Reader[string]) error {
		for word, err := range in.All() {
			if err != nil {
				return err
			}
			fmt.Println(word)
		}
		return nil
	}))
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// mill
	// race
}

func TestWhatAFileMayLookLike(t *testing.T) {
	two := []sale{{1, "tea", 3}, {2, "mug", 4}}
	for _, tt := range []struct {
		name    string
		content string
		source  sources.CSV[sale]
		want    []sale
	}{
		{"plain", "id,product,quantity\n1,tea,3\n2,mug,4\n", sources.CSV[sale]{}, two},
		{"without an end of the last line", "id,product,quantity\n1,tea,3\n2,mug,4", sources.CSV[sale]{}, two},
		{"with CRLF", "id,product,quantity\r\n1,tea,3\r\n2,mug,4\r\n", sources.CSV[sale]{}, two},
		{"with a byte order mark", "\xef\xbb\xbfid,product,quantity\n1,tea,3\n2,mug,4\n", sources.CSV[sale]{}, two},
		{"with blank lines", "\n\nid,product,quantity\n\n1,tea,3\n\n2,mug,4\n\n\n", sources.CSV[sale]{}, two},
		{"columns in another order, and others", "x,quantity,id,y,product\n?,3,1,?,tea\n?,4,2,?,mug\n", sources.CSV[sale]{}, two},
		{"semicolons", "id;product;quantity\n1;tea;3\n2;mug;4\n", sources.CSV[sale]{Dialect: dialect.CSV{Delimiter: ";"}}, two},
		{"tabs", "id\tproduct\tquantity\n1\ttea\t3\n2\tmug\t4\n", sources.CSV[sale]{Dialect: dialect.CSV{Delimiter: "\t"}}, two},
		{"comments", "# sales\nid,product,quantity\n# tea, \"green\n1,tea,3\n2,mug,4\n#end", sources.CSV[sale]{Dialect: dialect.CSV{Comment: "#"}}, two},
		{"quotes, delimiters and line ends in quotes", "id,product,quantity\n\"1\",\"a \"\"b\"\", c\r\nd\n\",3\n", sources.CSV[sale]{},
			[]sale{{1, "a \"b\", c\r\nd\n", 3}}},
		{"no header, named columns", "tea,x,3,1\nmug,x,4,2\n", sources.CSV[sale]{NoHeader: true, Columns: []string{"product", "", "quantity", "id"}}, two},
		{"no header, the struct's order", "1,tea,3\n2,mug,4\n", sources.CSV[sale]{NoHeader: true}, two},
		{"no header and empty", "", sources.CSV[sale]{NoHeader: true}, nil},
		{"header only", "id,product,quantity\n", sources.CSV[sale]{}, nil},
		{"header only, without a line end", "id,product,quantity", sources.CSV[sale]{}, nil},
		{"a missing column that may miss", "product,quantity\ntea,3\n", sources.CSV[sale]{AllowMissing: true}, []sale{{0, "tea", 3}}},
		{"invalid text that is allowed", "id,product,quantity\n1,t\xffa\x00,3\n", sources.CSV[sale]{AllowInvalidText: true}, []sale{{1, "t\xffa\x00", 3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.source.Path = file(t, t.TempDir(), "sales.csv", tt.content)
			got, report, err := run(t, tt.source, pipeline.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if s := report.Stage("extract"); s.Bytes != int64(len(tt.content)) {
				t.Errorf("the report shows %d bytes, the file has %d", s.Bytes, len(tt.content))
			}
		})
	}
}

func TestValues(t *testing.T) {
	type record struct {
		Count *int       `csv:"count"`
		Note  *string    `csv:"note"`
		Price float64    `csv:"price"`
		Day   *time.Time `csv:"day"`
	}
	path := file(t, t.TempDir(), "v.csv", "count;note;price;day\n1;-;1,5;31.12.2025\n-;\"-\";2;-\n")
	got, _, err := run(t, sources.CSV[record]{Path: path, Dialect: dialect.CSV{Delimiter: ";", Null: []string{"-"}, Decimal: ',', Layout: "02.01.2006"}}, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	one, dash, day := 1, "-", time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC)
	want := []record{{&one, nil, 1.5, &day}, {nil, &dash, 2, nil}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestBadInputBeforeAnythingMoves holds what is found by validation; nothing of the
// run has begun then.
func TestBadInputBeforeAnythingMoves(t *testing.T) {
	dir := t.TempDir()
	good := file(t, dir, "good.csv", "id,product,quantity\n1,tea,3\n")
	type cyclic struct {
		ID   int `csv:"id"`
		Func func()
	}
	for _, tt := range []struct {
		name      string
		source    pipeline.Source[sale]
		want      string
		permanent bool
	}{
		{"missing file", sources.CSV[sale]{Path: filepath.Join(dir, "nowhere.csv")}, "nowhere.csv: no such file or directory", false},
		{"a folder", sources.CSV[sale]{Path: dir}, ": is a directory", true},
		{"empty file", sources.CSV[sale]{Path: file(t, dir, "empty.csv", "")}, "empty.csv: the input is empty: there is no header", true},
		{"nothing but blank lines", sources.CSV[sale]{Path: file(t, dir, "blank.csv", "\n\r\n\n")}, "blank.csv: the input is empty: there is no header", true},
		{"missing column", sources.CSV[sale]{Path: file(t, dir, "missing.csv", "\nid,product,quanttiy\n")},
			`missing.csv: line 2: column "quantity" (nearest: "quanttiy") is missing; the header has "id", "product", "quanttiy"`, true},
		{"another delimiter", sources.CSV[sale]{Path: file(t, dir, "semi.csv", "id;product;quantity\n")}, `is the delimiter ";"?`, true},
		{"a column twice", sources.CSV[sale]{Path: file(t, dir, "twice.csv", "id,product,quantity,id\n")}, `twice.csv: line 1: column "id" appears more than once`, true},
		{"UTF-16 without a mark", sources.CSV[sale]{Path: file(t, dir, "utf16.csv", "i\x00d\x00")}, `utf16.csv: the text looks like UTF-16 without a byte order mark: set Encoding to "utf-16le"`, true},
		{"unterminated quote in the header", sources.CSV[sale]{Path: file(t, dir, "quote.csv", "id,\"product\n")}, "quote.csv: line 1: ", true},
		{"a pattern without files", sources.CSV[sale]{Path: filepath.Join(dir, "nothing-*.csv")}, "nothing-*.csv: no file matches", false},
		{"a malformed pattern", sources.CSV[sale]{Path: filepath.Join(dir, "[")}, "[: this is no pattern", true},
		{"no Path", sources.CSV[sale]{}, "sources.CSV: no Path is set", true},
		{"a store for standard input", sources.CSV[sale]{Path: "-", Store: opens("")}, "sources.CSV: the Path - is standard input: leave Store out", true},
		{"an unknown encoding", sources.CSV[sale]{Path: good, Encoding: "x"}, `sources.CSV: the Encoding "x" is not known here`, true},
		{"Columns with a header", sources.CSV[sale]{Path: good, Columns: []string{"id"}}, "sources.CSV: Columns is for files without a header: set NoHeader too", true},
		{"Columns that lack one", sources.CSV[sale]{Path: good, NoHeader: true, Columns: []string{"id", "product"}}, `sources.CSV: Columns: column "quantity" is missing`, true},
		{"a delimiter that cannot be", sources.CSV[sale]{Path: good, Dialect: dialect.CSV{Delimiter: "\n"}}, `sources.CSV: Dialect: "\n" cannot be the Delimiter`, true},
		{"a comment like the delimiter", sources.CSV[sale]{Path: good, Dialect: dialect.CSV{Comment: ","}}, `sources.CSV: Dialect: "," cannot begin a Comment`, true},
		{"a negative MaxRecord", sources.CSV[sale]{Path: good, MaxRecord: -1}, "sources.CSV: MaxRecord is -1", true},
		{"an unknown compression", sources.CSV[sale]{Path: good, Compression: "rar"}, `sources.CSV: Compression is "rar"`, true},
		{"NewFiles of standard input", sources.CSV[sale]{Path: "-", NewFiles: true}, "sources.CSV: NewFiles is for files", true},
		{"a store that fails", sources.CSV[sale]{Path: "sales.csv", Store: opener(func(context.Context) (io.ReadCloser, error) { return nil, errors.New("sales.csv: no such bucket") })},
			"sales.csv: no such bucket", false},
		{"a store without a reader", sources.CSV[sale]{Path: "input", Store: opener(func(context.Context) (io.ReadCloser, error) { return nil, nil })}, "input: the store returned neither a reader nor an error", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := pipeline.Options{State: newMemoryState()}
			_, _, err := run(t, tt.source, o)
			var invalid *pipeline.ValidationError
			if !errors.As(err, &invalid) {
				t.Fatalf("not a problem found before the start: %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if got := pipeline.IsPermanent(err); got != tt.permanent {
				t.Errorf("permanent: %v, want %v", got, tt.permanent)
			}
		})
	}
	t.Run("a struct that cannot be read", func(t *testing.T) {
		_, _, err := run(t, sources.CSV[cyclic]{Path: file(t, dir, "f.csv", "id,Func\n")}, pipeline.Options{})
		if err == nil || !strings.Contains(err.Error(), `f.csv: `) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("several wrong files are reported together", func(t *testing.T) {
		_, _, err := run(t, sources.CSV[sale]{Path: filepath.Join(dir, "[mt]*i*.csv")}, pipeline.Options{})
		for _, want := range []string{"missing.csv: line 2", "twice.csv: line 1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
	})
	t.Run("but not thousands of them", func(t *testing.T) {
		many := t.TempDir()
		for i := range 30 {
			file(t, many, fmt.Sprintf("%02d.csv", i), "x\n")
		}
		_, _, err := run(t, sources.CSV[sale]{Path: filepath.Join(many, "*.csv")}, pipeline.Options{})
		if err == nil || strings.Count(err.Error(), "are missing") != 10 || !strings.Contains(err.Error(), "not all files were checked") {
			t.Errorf("got %v", err)
		}
	})
}

// opener is a store of one input that is opened by a function, and of whose size nothing is known.
type opener func(context.Context) (io.ReadCloser, error)

func (o opener) List(context.Context, string) iter.Seq2[files.Info, error] {
	return func(yield func(files.Info, error) bool) { yield(files.Info{}, errors.ErrUnsupported) }
}

func (o opener) Stat(_ context.Context, name string) (files.Info, error) {
	return files.Info{Name: name, Size: -1}, nil
}

func (o opener) Open(ctx context.Context, _ files.Info, _, _ int64) (io.ReadCloser, error) {
	return o(ctx)
}

func opens(content string) files.Store {
	return opener(func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil })
}

func TestAFileThatMayNotBeRead(t *testing.T) {
	path := file(t, t.TempDir(), "secret.csv", "id,product,quantity\n")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, sources.CSV[sale]{Path: path}, pipeline.Options{})
	if os.Getuid() == 0 { // to whom nothing is forbidden
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "secret.csv: permission denied") {
		t.Errorf("got %v", err)
	}
}

func TestBadRecords(t *testing.T) {
	head := "id,product,quantity\n1,tea,3\n"
	tail := "9,mug,4\n"
	long := strings.Repeat("x", 2<<20)
	for _, tt := range []struct {
		name string
		bad  string // between head and tail
		want pipeline.Reject
		text string
	}{
		{"too few fields", "2,mug\n", pipeline.Reject{Line: 3, Reason: "2 fields, but the header has 3; Dialect.Ragged reads missing fields as NULL"}, "line 3: 2 fields, but the header has 3; Dialect.Ragged reads missing fields as NULL"},
		{"too many fields", "2,mug,1,1\n", pipeline.Reject{Line: 3, Reason: "4 fields, but the header has 3"}, ""},
		{"a word for an integer", "2,mug,abc\n", pipeline.Reject{Line: 3, Column: "quantity", Value: "abc", Reason: "is not an integer"},
			`line 3: column "quantity": "abc" is not an integer`},
		{"no integer at all", "2,mug, x \r\n", pipeline.Reject{Line: 3, Column: "quantity", Value: " x ", Reason: "is not an integer"}, ""},
		{"an overflow", "2,mug,2147483648\n", pipeline.Reject{Line: 3, Column: "quantity", Value: "2147483648", Reason: "does not fit int32 (-2147483648 to 2147483647)"}, ""},
		{"a byte that is not UTF-8", "2,m\xffg,1\n", pipeline.Reject{Line: 3, Column: "product", Value: "m\uFFFDg", Reason: "is not valid UTF-8 (byte 2)"}, ""},
		{"a NUL byte", "2,m\x00g,1\n", pipeline.Reject{Line: 3, Column: "product", Value: "m\uFFFDg", Reason: "holds a NUL byte (byte 2)"}, ""},
		{"a quote inside a field", "2,m\"g,1\n", pipeline.Reject{Line: 3, Column: "product", Reason: "a quote inside a field that is not quoted; Dialect.LazyQuotes reads it as text"}, ""},
		{"text after a closing quote", "2,\"m\"g,1\n", pipeline.Reject{Line: 3, Column: "product", Reason: "text after the closing quote; Dialect.LazyQuotes reads it as text"}, ""},
		{"on several lines", "2,\"m\n\ng\",abc\n", pipeline.Reject{Line: 3, Column: "quantity", Value: "abc", Reason: "is not an integer"}, ""},
		{"after blank lines", "\n\r\n2,mug,abc\n", pipeline.Reject{Line: 5, Offset: 3, Raw: []byte("2,mug,abc\n"), Column: "quantity", Value: "abc", Reason: "is not an integer"}, ""},
		{"a long one, kept whole", "2," + long[:100<<10] + ",abc\n", pipeline.Reject{Line: 3, Column: "quantity", Value: "abc", Reason: "is not an integer"}, ""},
		{"a very long one, not kept", "2," + long + ",abc\n", pipeline.Reject{Line: 3, Raw: []byte{}, Column: "quantity", Value: "abc", Reason: "is not an integer (the record is too long to be kept)"}, ""},
		{"a long one with a wrong quote, not kept", "2,x" + long[:100<<10] + "\",1\n", pipeline.Reject{Line: 3, Raw: []byte{}, Column: "product",
			Reason: "a quote inside a field that is not quoted; Dialect.LazyQuotes reads it as text (the record is too long to be kept)"}, ""},
		{"a long value", "2,mug," + long[:200] + "\n", pipeline.Reject{Line: 3, Column: "quantity", Value: long[:100], Reason: "is not an integer"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, t.TempDir(), "sales.csv", head+tt.bad+tail)
			got, rejects, report, err := runWithRejects(t, sources.CSV[sale]{Path: path}, pipeline.Options{MaxRejects: 1})
			if err != nil {
				t.Fatal(err)
			}
			if want := []sale{{1, "tea", 3}, {9, "mug", 4}}; !reflect.DeepEqual(got, want) {
				t.Errorf("reading did not go on behind the record: got %v, want %v", got, want)
			}
			want := tt.want
			want.Stage, want.Source = "extract", path
			want.Offset += int64(len(head))
			if want.Raw == nil {
				want.Raw = []byte(tt.bad)
			} else if len(want.Raw) == 0 {
				want.Raw = nil
			}
			if len(rejects) != 1 || !reflect.DeepEqual(rejects[0], want) {
				t.Errorf("got  %.600q\nwant %.600q", rejects, want)
			}
			if n := report.Stage("extract").Rejects; n != 1 {
				t.Errorf("the report counts %d rejects", n)
			}

			_, _, err = run(t, sources.CSV[sale]{Path: path}, pipeline.Options{})
			text := fmt.Sprintf("test: extract: %v", want)
			if tt.text != "" {
				text = "test: extract: " + path + ": " + tt.text
			}
			if err == nil || err.Error() != text {
				t.Errorf("without a budget: got %.600v\nwant %.600s", err, text)
			}
			if !pipeline.IsPermanent(err) {
				t.Error("the same record would be refused again, but the error is not permanent")
			}
		})
	}
}

func TestAnUnterminatedQuoteTakesTheRestOfTheFile(t *testing.T) {
	path := file(t, t.TempDir(), "sales.csv", "id,product,quantity\n1,tea,3\n2,\"mug,4\n3,pot,5\n")
	got, rejects, _, err := runWithRejects(t, sources.CSV[sale]{Path: path}, pipeline.Options{MaxRejects: -1})
	if err != nil {
		t.Fatal(err)
	}
	want := pipeline.Reject{Stage: "extract", Source: path, Line: 3, Offset: 28, Raw: []byte("2,\"mug,4\n3,pot,5\n"), Column: "product",
		Reason: "the quoted field that begins in line 3 is not closed before the end of the input; it took lines 3 to 4"}
	if len(got) != 1 || len(rejects) != 1 || !reflect.DeepEqual(rejects[0], want) {
		t.Errorf("got %v and %q, want %q", got, rejects, want)
	}
}

func TestMaxRecord(t *testing.T) {
	path := file(t, t.TempDir(), "sales.csv", "id,product,quantity\n1,tea,3\n2,"+strings.Repeat("x", 100)+",4\n3,\""+strings.Repeat("y\n", 50)+"\"\"\",4\n4,x\""+strings.Repeat("x", 5000)+"\n5,pot,5\n")
	got, rejects, _, err := runWithRejects(t, sources.CSV[sale]{Path: path, MaxRecord: 64}, pipeline.Options{MaxRejects: -1})
	if err != nil {
		t.Fatal(err)
	}
	if want := []sale{{1, "tea", 3}, {5, "pot", 5}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(rejects) != 3 {
		t.Fatalf("got %d rejects: %v", len(rejects), rejects)
	}
	for _, r := range rejects {
		if r.Raw != nil {
			t.Errorf("line %d: a record that was cut is given as the original: %q", r.Line, r.Raw)
		}
	}
}

func TestOnlyTheEndOfTheInputEndsIt(t *testing.T) {
	torn := fmt.Errorf("connection lost: %w", io.EOF) // a reader's error that has io.EOF as its cause
	for _, tt := range []struct {
		name string
		err  error
	}{{"an error", errors.New("connection lost")}, {"an error around io.EOF", torn}, {"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF}} {
		t.Run(tt.name, func(t *testing.T) {
			open := func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(strings.NewReader("id,product,quantity\n1,tea,3\n"), failing{tt.err})), nil
			}
			_, _, err := run(t, sources.CSV[sale]{Path: "input", Store: opener(open)}, pipeline.Options{})
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), "input: line ") {
				t.Errorf("got %v, want %v", err, tt.err)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func pack(t *testing.T, kind files.Compression, content string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if kind == files.Zstd {
		var err error
		if w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPackedFiles(t *testing.T) {
	var content strings.Builder
	content.WriteString("id,product,quantity\n")
	want := make([]sale, 20_000)
	for i := range want {
		want[i] = sale{int64(i), fmt.Sprintf("product %d", i*7919%1000), int32(i % 50)}
		fmt.Fprintf(&content, "%d,%s,%d\n", want[i].ID, want[i].Product, want[i].Quantity)
	}
	dir := t.TempDir()
	for kind, extension := range map[files.Compression]string{files.Gzip: ".gz", files.Zstd: ".zst"} {
		packed := pack(t, kind, content.String())
		half := content.Len() / 2
		for _, tt := range []struct {
			name   string
			data   string
			source sources.CSV[sale]
			err    string
		}{
			{"by its extension", packed, sources.CSV[sale]{Path: "a.csv" + extension}, ""},
			{"by its first bytes", packed, sources.CSV[sale]{Path: "b.csv"}, ""},
			{"by the option", packed, sources.CSV[sale]{Path: "c.csv", Compression: kind}, ""},
			{"in two members", pack(t, kind, content.String()[:half]) + pack(t, kind, content.String()[half:]), sources.CSV[sale]{Path: "d.csv" + extension}, ""},
			{"cut off", packed[:len(packed)/2], sources.CSV[sale]{Path: "e.csv" + extension}, "e.csv" + extension + ": line "},
			{"cut off in its last bytes", packed[:len(packed)-2], sources.CSV[sale]{Path: "f.csv" + extension}, "data ends too early: the file is cut off"},
			{"cut off in its first bytes", packed[:6], sources.CSV[sale]{Path: "g.csv" + extension}, "the file is cut off"},
			{"not packed at all", content.String(), sources.CSV[sale]{Path: "h.csv" + extension}, "data is not"},
			{"empty", "", sources.CSV[sale]{Path: "i.csv" + extension}, "the input is empty: there is no header"},
			{"packed emptiness", pack(t, kind, ""), sources.CSV[sale]{Path: "j.csv" + extension}, "the input is empty: there is no header"},
			{"damaged", packed[:len(packed)-4] + "????", sources.CSV[sale]{Path: "k.csv" + extension}, string(kind) + " data is damaged"},
			{"read as plain", packed, sources.CSV[sale]{Path: "l.csv" + extension, Compression: files.Plain}, "the input is packed with " + string(kind)},
		} {
			t.Run(string(kind)+" "+tt.name, func(t *testing.T) {
				tt.source.Path = file(t, dir, tt.source.Path, tt.data)
				got, report, err := run(t, tt.source, pipeline.Options{})
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("got %v, want %s", err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %d records, want %d", len(got), len(want))
				}
				if n := report.Stage("extract").Bytes; n != int64(len(tt.data)) {
					t.Errorf("the report shows %d bytes, the file has %d", n, len(tt.data))
				}
			})
		}
	}
}

func TestPatterns(t *testing.T) {
	dir := t.TempDir()
	file(t, dir, "2025/b.csv", "id,product,quantity\n3,c,1\n")
	file(t, dir, "2025/a.csv", "quantity,product,id\n1,b,2\n") // each file has a header of its own
	file(t, dir, "2024/z.csv", "id,product,quantity\n1,a,1\n")
	file(t, dir, "2024/z.csv.millrace-0190-1.tmp", "half a")
	file(t, dir, "2024/folder.csv/x", "")
	file(t, dir, "[1].csv", "id,product,quantity\n7,literal,1\n")

	got, _, err := run(t, sources.CSV[sale]{Path: filepath.Join(dir, "20*", "*.csv*")}, pipeline.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []sale{{1, "a", 1}, {2, "b", 1}, {3, "c", 1}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	got, _, err = run(t, sources.CSV[sale]{Path: filepath.Join(dir, "[1].csv")}, pipeline.Options{})
	if err != nil || len(got) != 1 || got[0].Product != "literal" {
		t.Errorf("a file whose name looks like a pattern: got %v, %v", got, err)
	}
}

func TestDescribe(t *testing.T) {
	for want, d := range map[string]pipeline.Describer{
		"CSV in_store_sales.csv":          sources.CSV[sale]{Path: "/data/in_store_sales.csv"},
		"CSV /data/*/sales.csv":           sources.CSV[sale]{Path: "/data/*/sales.csv"},
		"CSV standard input":              sources.CSV[sale]{Path: "-"},
		"CSV input":                       sources.CSV[sale]{Path: "input", Store: opens("")},
		"2 × sources_test.sale in memory": sources.Slice[sale]{{}, {}},
	} {
		if got := d.Describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
