package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
)

type place struct {
	Street string  `parquet:"street"`
	Number *uint16 `parquet:"house number"`
}

type everything struct {
	ID       int64            `parquet:"id"`
	Type     string           `parquet:"type"`
	Price    int64            `parquet:"total_price,decimal(2:12)"`
	Big      [16]byte         `parquet:"big,decimal(4:38)"`
	Key      [16]byte         `parquet:"key,uuid"`
	Small    int8             `parquet:"1st"`
	Float    float32          `parquet:"größe"`
	At       time.Time        `parquet:"at,timestamp(millisecond)"`
	Local    time.Time        `parquet:"local,timestamp(microsecond:local)"`
	Maybe    *time.Time       `parquet:"maybe,timestamp(nanosecond)"`
	Day      int32            `parquet:"day,date"`
	Noon     int64            `parquet:"noon,time(microsecond)"`
	Late     *time.Duration   `parquet:"late,time(millisecond:local)"`
	Twin     *uuid.UUID       `parquet:"twin"`
	Remark   *string          `parquet:"remark"`
	Raw      []byte           `parquet:"raw"`
	MaybeRaw []byte           `parquet:"maybe_raw,optional"`
	Tags     []string         `parquet:"tags,list"`
	Old      []int32          `parquet:"old"`
	Place    place            `parquet:"place"`
	Other    *place           `parquet:"other"`
	Stops    []place          `parquet:"stops,list"`
	Marks    map[string]int32 `parquet:"marks"`
	Doc      string           `parquet:"doc,json"`
	Legacy   deprecated.Int96 `parquet:"legacy"`
}

// What is printed compiles, and reads the file.
func TestWhatIsPrintedReadsTheFile(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "all.parquet")
	n, now := uint16(7), time.Now()
	rows := []everything{{ID: 1, Noon: 1}, {ID: 2, Maybe: &now, Tags: []string{"a"}, Old: []int32{1}, Other: &place{"x", &n},
		Stops: []place{{"y", nil}}, Marks: map[string]int32{"m": 1}, MaybeRaw: []byte{1}}}
	if err := pq.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := pq.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	text, err := program(file.Schema(), path)
	if err != nil {
		t.Fatal(err)
	}
	// It is built within this module, whose dependencies are there.
	made, err := os.MkdirTemp(filepath.Join(root, "parquet"), "testdata-struct-") //nolint:usetesting // within the module
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(made)
	if err := os.WriteFile(filepath.Join(made, "main.go"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", made).CombinedOutput()
	if err != nil || string(out) != "2 rows\n" {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
	t.Logf("%s", text)
}

func TestFilesThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("a,b\n1,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(path); err == nil || !strings.HasPrefix(err.Error(), path+": it is no Parquet file") {
		t.Error(err)
	}
	if err := run(path + "none"); err == nil {
		t.Error("a file that is not there is no error")
	}
}
