package parquet

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	want := sales(21_000) // two row groups
	path := filepath.Join(t.TempDir(), "sales.parquet")
	pipelinetest.Sink(t, Sink[sale]{Path: path}, want)
	got := pipelinetest.Source(t, Source[sale]{Path: path})
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff[:min(len(diff), 2000)])
	}
	// And by the library itself, so that both sides cannot be wrong in the same way.
	theirs, err := pq.ReadFile[sale](path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, theirs, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff[:min(len(diff), 2000)])
	}
}

func TestLanesReadEachRowOnce(t *testing.T) {
	want := sales(4_000)
	path := write(t, want, 280)
	got := pipelinetest.Source(t, Source[sale]{Path: path}, pipelinetest.WithStage(pipeline.Parallel(3)), pipelinetest.Unordered())
	slices.SortFunc(got, func(a, b sale) int { return int(a.ID - b.ID) })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff[:min(len(diff), 2000)])
	}
	parts, err := Source[sale]{Path: path}.Split(t.Context(), 4)
	if err != nil || len(parts) != 4 {
		t.Fatal(len(parts), err)
	}
	for i, p := range parts {
		if n := len(pipelinetest.Source(t, p)); n < 840 || n > 1120 {
			t.Errorf("lane %d of 4 has %d of 4,000 rows", i, n)
		}
	}
}

func TestTheRulesAreKept(t *testing.T) {
	rows := sales(600)
	pipelinetest.CheckSource(t, Source[sale]{Path: write(t, rows, 200)})
	path := filepath.Join(t.TempDir(), "out.parquet")
	pipelinetest.CheckSink(t, Sink[sale]{Path: path}, rows, pipelinetest.AllOrNothing(), pipelinetest.OneRunAtATime(),
		pipelinetest.Loaded(func() any {
			got, err := pq.ReadFile[sale](path)
			if err != nil {
				return nil
			}
			return got
		}))
}

func TestColumnsThatNobodyNamesAreNotRead(t *testing.T) {
	schema := pq.Group{}
	for i := range 40 {
		schema[name(i)] = pq.Int(64)
	}
	path := filepath.Join(t.TempDir(), "wide.parquet")
	f := create(t, path)
	w := pq.NewGenericWriter[any](f, pq.NewSchema("wide", schema), pq.MaxRowsPerRowGroup(20_000))
	row := make(pq.Row, 40)
	for i := range int64(100_000) {
		for c := range row {
			row[c] = pq.Int64Value(i*7919+int64(c)).Level(0, 0, c)
		}
		if _, err := w.WriteRows([]pq.Row{row}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	size := f.size()
	type two struct {
		A int64 `parquet:"c03"`
		B int64 `parquet:"c31"`
	}
	store := &counted{}
	got := pipelinetest.Source(t, Source[two]{Path: path, Store: store})
	if len(got) != 100_000 || got[99_999] != (two{99_999*7919 + 3, 99_999*7919 + 31}) {
		t.Errorf("%d rows, the last one %v", len(got), got[len(got)-1])
	}
	// Twice, since the validation reads the footer too.
	if read := store.bytes.Load(); read*10 > size {
		t.Errorf("%d of %d bytes were read for 2 of 40 columns", read, size)
	} else {
		t.Logf("%.1f%% of the bytes in %d requests", 100*float64(read)/float64(size), store.opened.Load())
	}
}

func TestNullsAreRejectsWhereNoPointerIs(t *testing.T) {
	type theirs struct {
		ID   int64   `parquet:"id"`
		Name *string `parquet:"name"`
		At   *inner  `parquet:"at"`
	}
	type ours struct {
		ID   int64  `parquet:"id"`
		Name string `parquet:"name"`
		At   inner  `parquet:"at"`
	}
	name := "x"
	path := write(t, []theirs{{1, &name, &inner{Street: "a"}}, {2, nil, &inner{}}, {3, &name, nil}, {4, &name, &inner{Street: "b"}}}, 2)
	got := pipelinetest.RunSource(t.Context(), Source[ours]{Path: path}, tolerant(-1))
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	if diff := cmp.Diff([]ours{{1, "x", inner{Street: "a"}}, {4, "x", inner{Street: "b"}}}, got.Records); diff != "" {
		t.Error(diff)
	}
	if len(got.Rejects) != 2 || got.Rejects[0].Line != 2 || got.Rejects[0].Column != "name" || got.Rejects[1].Line != 3 ||
		got.Rejects[1].Column != "at.number" && got.Rejects[1].Column != "at.street" {
		t.Errorf("rejects: %v", got.Rejects)
	}
	strict := pipelinetest.RunSource(t.Context(), Source[ours]{Path: path}, tolerant(0))
	if want := path + `: line 2: column "name" is NULL, which its field cannot hold; a pointer can`; strict.Err == nil ||
		!contains(strict.Err, want) {
		t.Errorf("%v, want %s", strict.Err, want)
	}
	type zero struct {
		Name string `parquet:"name,optional"`
	}
	if got := pipelinetest.Source(t, Source[zero]{Path: path}); !slices.Equal(got, []zero{{"x"}, {""}, {"x"}, {"x"}}) {
		t.Errorf("with optional: %v", got)
	}
}

func TestDatesAreReadAsDaysAndAsTimes(t *testing.T) {
	path := write(t, []sale{{Day: 20_000}, {Day: -1}}, 10)
	type row struct {
		Day time.Time `parquet:"day,date"`
	}
	got := pipelinetest.Source(t, Source[row]{Path: path})
	want := []row{{time.Date(2024, 10, 4, 0, 0, 0, 0, time.UTC)}, {time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOriginsAreFilled(t *testing.T) {
	type row struct {
		pipeline.Origin
		ID int64 `parquet:"id"`
	}
	path := write(t, sales(1500), 700)
	got := pipelinetest.Source(t, Source[row]{Path: path})
	for i, r := range got {
		if r.Line != int64(i)+1 || r.Source != path || r.ID != int64(i) {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
}

func TestNewFilesAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	state := &pipelinetest.State{}
	night := func() (ids []int64) {
		type row struct {
			ID int64 `parquet:"id"`
		}
		got := pipelinetest.RunSource(t.Context(), Source[row]{Path: filepath.Join(dir, "*.parquet"), NewFiles: true},
			pipelinetest.WithOptions(pipeline.Options{State: state}))
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		for _, r := range got.Records {
			ids = append(ids, r.ID)
		}
		return ids
	}
	put := func(name string, id int64) {
		if err := pq.WriteFile(filepath.Join(dir, name), []sale{{ID: id}}); err != nil {
			t.Fatal(err)
		}
	}
	put("a.parquet", 1)
	first := night()
	put("b.parquet", 2)
	if second, third := night(), night(); !slices.Equal(first, []int64{1}) || !slices.Equal(second, []int64{2}) || len(third) != 0 {
		t.Errorf("nights: %v, %v, %v", first, second, third)
	}
}
