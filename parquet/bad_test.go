package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

type testFile struct{ *os.File }

func create(t testing.TB, path string) testFile {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return testFile{f}
}

func (f testFile) size() int64 {
	info, err := f.Stat()
	if err != nil {
		panic(err)
	}
	return info.Size()
}

func name(i int) string { return fmt.Sprintf("c%02d", i) }

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// one is a file of one column v, and a struct of one field for it.
type one[V any] struct {
	V V `parquet:"v"`
}

func refused[Field, Stored any](t *testing.T, tag, want string) {
	t.Helper()
	path := write(t, []one[Stored]{{}}, 10)
	err := validated(t, Source[one[Field]]{Path: path})
	if !contains(err, path+`: column "v": `) || !contains(err, want) || !pipeline.IsPermanent(err) {
		t.Errorf("%s: %v, want %s", tag, err, want)
	}
}

func TestWhatAFieldCannotHoldIsSaidBeforeDataMoves(t *testing.T) {
	refused[int32, int64](t, "narrower", "use int64")
	refused[int64, uint32](t, "unsigned", "use uint32")
	refused[uint32, int32](t, "signed", "use int32")
	refused[int16, int32](t, "16 bits", "use int32")
	refused[float32, float64](t, "float", "use float64")
	refused[float64, int64](t, "an integer into a float", "use int64")
	refused[string, int64](t, "an integer into a text", "use int64")
	refused[int64, string](t, "a text into an integer", "use string or []byte")
	refused[int64, time.Time](t, "a time into an integer", "timestamp(nanosecond) fits")
	refused[time.Time, int64](t, "an integer into a time", "its field is TIMESTAMP")
	refused[string, []string](t, "a list into a text", "repeated STRING")
	refused[[]string, string](t, "a text into a list", "repeated STRING")
	refused[inner, string](t, "a text into a struct", "a group")
	refused[time.Time, deprecated.Int96](t, "INT96", "deprecated.Int96")
}

func TestUnitsAndScalesMustAgree(t *testing.T) {
	type stored struct {
		At    time.Time `parquet:"at,timestamp(millisecond)"`
		Price int64     `parquet:"price,decimal(2:12)"`
		Day   int32     `parquet:"day,date"`
	}
	path := write(t, []stored{{At: time.Unix(0, 0)}}, 10)
	type ours struct {
		At    time.Time `parquet:"at"`
		Price int64     `parquet:"price,decimal(3:12)"`
		Day   int32     `parquet:"day"`
		None  string    `parquet:"none"`
	}
	err := validated(t, Source[ours]{Path: path})
	for _, want := range []string{
		`column "at": is TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS), and its field is TIMESTAMP(isAdjustedToUTC=true,unit=NANOS); ` +
			`a time.Time with the tag timestamp(millisecond) fits`,
		`column "price": is DECIMAL(12,2), and its field is DECIMAL(12,3); a field of int64 with the tag decimal(2:12) fits`,
		`column "day": is DATE, and its field is INT(32,true); a time.Time or an int32 with the tag date fits`,
		`column "none": is not there; there are: at, price, day`,
	} {
		if !contains(err, want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

func TestWiderFieldsHoldWhatIsNarrower(t *testing.T) {
	type stored struct {
		A int8    `parquet:"a"`
		B int32   `parquet:"b"`
		C float32 `parquet:"c"`
		D uint8   `parquet:"d"`
	}
	type ours struct {
		A int64   `parquet:"a"`
		B *int64  `parquet:"b"`
		C float64 `parquet:"c"`
		D uint32  `parquet:"d"`
	}
	path := write(t, []stored{{-128, -1 << 31, 0.1, 255}}, 10)
	got := pipelinetest.Source(t, Source[ours]{Path: path})
	if len(got) != 1 || got[0].A != -128 || got[0].B == nil || *got[0].B != -1<<31 || got[0].C != float64(float32(0.1)) || got[0].D != 255 {
		t.Errorf("%+v", got)
	}
}

type hidden struct{ n int }

type large struct {
	Price [16]byte `parquet:"price,decimal(4:30)"`
}

type dated struct {
	Day *time.Time `parquet:"day,date"`
}

func TestTypesThatCannotBeStoredAreRefused(t *testing.T) {
	_ = hidden{}.n
	path := filepath.Join(t.TempDir(), "x.parquet")
	for what, err := range map[string]error{
		"no struct":       Sink[int]{Path: path}.Validate(t.Context()),
		"a channel":       Sink[one[chan int]]{Path: path}.Validate(t.Context()),
		"hidden fields":   Sink[one[hidden]]{Path: path}.Validate(t.Context()),
		"a complex":       Sink[one[complex128]]{Path: path}.Validate(t.Context()),
		"a complex list":  Sink[one[[]complex64]]{Path: path}.Validate(t.Context()),
		"large decimal":   Sink[large]{Path: path}.Validate(t.Context()),
		"a date":          Sink[dated]{Path: path}.Validate(t.Context()),
		"hidden, to read": validated(t, Source[one[hidden]]{Path: path}),
	} {
		if err == nil || !pipeline.IsPermanent(err) || !contains(err, "parquet.S") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestRecordsThatAFileCannotHoldAreRejects(t *testing.T) {
	type row struct {
		Text  string                `parquet:"text"`
		Price int32                 `parquet:"price,decimal(2:4)"`
		At    time.Time             `parquet:"at,timestamp(millisecond)"`
		Nano  time.Time             `parquet:"nano"`
		Tags  []string              `parquet:"tags,list"`
		In    struct{ S []*string } `parquet:"in"`
		Noon  time.Duration         `parquet:"noon,time(millisecond)"`
		Map   map[string]string     `parquet:"map"`
	}
	epoch, torn := time.Unix(0, 0).UTC(), "a\xff"
	fine := row{At: epoch, Nano: epoch}
	for want, change := range map[string]func(*row){
		`column "text": "a�" is not UTF-8`:               func(r *row) { r.Text = torn },
		`column "price": "10000" has more than 4`:        func(r *row) { r.Price = 10_000 },
		`column "at": "1970-01-01T00:00:00.000001Z" has`: func(r *row) { r.At = epoch.Add(time.Microsecond) },
		`column "nano": "2300-01-01T00:00:00Z" is outs`:  func(r *row) { r.Nano = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) },
		`column "noon": "1µs" has more digits`:           func(r *row) { r.Noon = time.Microsecond },
		`column "noon": "24h0m0s" is no time of day`:     func(r *row) { r.Noon = 24 * time.Hour },
		`column "tags": "a�" is not UTF-8`:               func(r *row) { r.Tags = []string{"", torn} },
		`column "in.S": "a�" is not UTF-8`:               func(r *row) { r.In.S = []*string{nil, &torn} },
		`column "map.value": "a�" is not UTF-8`:          func(r *row) { r.Map = map[string]string{"a": torn} },
	} {
		bad := fine
		change(&bad)
		path := filepath.Join(t.TempDir(), "x.parquet")
		in := []row{fine, bad, fine}
		strict := pipelinetest.RunSink(t.Context(), Sink[row]{Path: path}, in, tolerant(0))
		if !contains(strict.Err, want) {
			t.Errorf("%v\nwant %s", strict.Err, want)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: there is a file after a run that failed: %v", want, err)
		}
		got := pipelinetest.RunSink(t.Context(), Sink[row]{Path: path}, in, tolerant(1))
		rows, err := pq.ReadFile[row](path)
		if got.Err != nil || len(got.Rejects) != 1 || err != nil || len(rows) != 2 {
			t.Errorf("%s: %v, %d rejects, %d rows, %v", want, got.Err, len(got.Rejects), len(rows), err)
		}
	}
}

func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(write(t, sales(2000), 500))
	if err != nil {
		t.Fatal(err)
	}
	footer := int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long[len(long)-8:], 1<<31-1)
	for name, content := range map[string][]byte{
		"empty": nil, "text": []byte("id,product\n1,pen\n"), "cut": good[:len(good)-100], "only its ends": append(good[:4:4], good[len(good)-8:]...),
		"a footer that is longer than the file": long, "a footer cut in the middle": append(good[:len(good)-8-footer/2:len(good)-8-footer/2], good[len(good)-8:]...),
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "_"))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		err := validated(t, Source[sale]{Path: path})
		if !contains(err, path+": it is no Parquet file, or damaged: ") || !pipeline.IsPermanent(err) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := validated(t, Source[sale]{Path: filepath.Join(dir, "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := validated(t, Source[sale]{Path: "-"}); !contains(err, "standard input") {
		t.Error(err)
	}
}

// Whatever bytes are damaged, a run ends with an error that names the file, or the damage is in bytes that are values.
func TestDamageIsAnErrorOrAValue(t *testing.T) {
	type row struct {
		ID      int64   `parquet:"id"`
		Product string  `parquet:"product"`
		Remark  *string `parquet:"remark"`
	}
	in := make([]row, 300)
	for i := range in {
		in[i] = row{int64(i), fmt.Sprint("product ", i%7), nil}
	}
	good, err := os.ReadFile(write(t, in, 100))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "damaged.parquet")
	failed := 0
	for range 400 {
		content := bytes.Clone(good)
		for range 1 + r.IntN(3) {
			content[r.IntN(len(content))] ^= byte(1 + r.IntN(255))
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		got := pipelinetest.RunSource(t.Context(), Source[row]{Path: path}, tolerant(-1))
		switch {
		case got.Err != nil:
			failed++
			if !contains(got.Err, path+": ") || strings.Contains(got.Err.Error(), "goroutine") {
				t.Errorf("the error does not name the file: %v", got.Err)
			}
		case len(got.Records)+len(got.Rejects) != len(in):
			t.Errorf("%d records and %d rejects of %d rows, and no error", len(got.Records), len(got.Rejects), len(in))
		}
	}
	if failed < 100 {
		t.Errorf("only %d of 400 damaged files failed", failed)
	}
}

func TestAPlaceThatFailsIsNotTakenForDamage(t *testing.T) {
	path := write(t, sales(3000), 500)
	for what, fail := range map[string]error{"the net": errors.New("connection reset"), "a change": files.ErrChanged} {
		store := &counted{}
		store.fail = func(_ files.Info, _, _ int64) error {
			if store.opened.Load() > 8 {
				return fail
			}
			return nil
		}
		got := pipelinetest.RunSource(t.Context(), Source[sale]{Path: path, Store: store})
		if !errors.Is(got.Err, fail) || !contains(got.Err, path) || contains(got.Err, "damaged") {
			t.Errorf("%s: %v", what, got.Err)
		}
		if pipeline.IsPermanent(got.Err) != pipeline.IsPermanent(fail) {
			t.Errorf("%s: worth a retry or not? %v", what, got.Err)
		}
	}
}
