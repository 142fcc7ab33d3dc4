package pgcodec

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// kept is a record of everything that a Decoder hands out memory for.
type kept struct {
	ID      int64
	Short   string
	Long    string
	Raw     []byte
	Maybe   *int64
	Name    *string
	Tags    []string
	Numbers []int64
}

var keptColumns = []Column{
	{Name: "id", OID: pgtype.Int8OID}, {Name: "short", OID: pgtype.TextOID}, {Name: "long", OID: pgtype.TextOID},
	{Name: "raw", OID: pgtype.ByteaOID}, {Name: "maybe", OID: pgtype.Int8OID}, {Name: "name", OID: pgtype.TextOID},
	{Name: "tags", OID: pgtype.TextArrayOID}, {Name: "numbers", OID: pgtype.Int8ArrayOID},
}

func makeKept(i int) kept {
	id, name := int64(i), fmt.Sprintf("name %d", i%7)
	r := kept{
		ID: id, Short: fmt.Sprintf("s%d", i%300), Long: strings.Repeat(fmt.Sprint(i, " "), i%2000),
		Raw: []byte(fmt.Sprint("raw ", i)), Tags: make([]string, i%5), Numbers: make([]int64, i%90),
	}
	if i%3 > 0 {
		r.Maybe, r.Name = &id, &name
	}
	for j := range r.Tags {
		r.Tags[j] = fmt.Sprintf("tag %d of %d", j, i)
	}
	for j := range r.Numbers {
		r.Numbers[j] = int64(i * j)
	}
	return r
}

func TestRecordsThatAreKeptNeverChange(t *testing.T) {
	const n = 5000
	records := make([]kept, n)
	for i := range records {
		records[i] = makeKept(i)
	}
	rows := rawRows(t, len(keptColumns), tuples(t, keptColumns, records))
	d, err := NewDecoder[kept](keptColumns, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]kept, n)
	var reused kept // the same memory for every row, as a caller may do
	for i, row := range rows {
		if err := d.Decode(row, &reused); err != nil {
			t.Fatal(err)
		}
		got[i] = reused
		for _, v := range row {
			clear(v) // the connection's buffer is filled anew
		}
	}
	for i := range got {
		if want := makeKept(i); !equal(got[i], want) {
			t.Fatalf("record %d became\n%+v, was\n%+v", i, got[i], want)
		}
	}
	// What a record's owner appends to its slices stays its own.
	for i := range got {
		_ = append(got[i].Raw, "more"...)
		_ = append(got[i].Numbers, -1)
	}
	for i := range got {
		if want := makeKept(i); !equal(got[i], want) {
			t.Fatalf("appending changed record %d", i)
		}
	}
}

func TestAnEmptyArrayTakesAppendedElements(t *testing.T) {
	empty := pgxBytes(t, pgtype.Int8ArrayOID, []int64{})[4:]
	a, err := decodeOne[[]int64](t, of(pgtype.Int8ArrayOID), empty)
	if err != nil || a == nil || len(append(a, 1, 2, 3)) != 3 {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestRepeatedValuesShareOneString(t *testing.T) {
	in, a := &interner{own: arena{size: internBlock}}, &arena{size: arenaBlock}
	for range 3 * internSample {
		first, second := in.string([]byte("Store 7"), a), in.string([]byte("Store 7"), a)
		if first != "Store 7" || unsafe.StringData(first) != unsafe.StringData(second) {
			t.Fatalf("%q and %q are apart", first, second)
		}
	}
	if in.rest != 0 || a.used != 0 {
		t.Errorf("rest %d, %d bytes in the arena", in.rest, a.used)
	}
}

func TestAColumnThatNeverRepeatsIsLeftAloneForAWhile(t *testing.T) {
	in, a := &interner{own: arena{size: internBlock}}, &arena{size: arenaBlock}
	next := 0
	unique := func() {
		t.Helper()
		want := fmt.Sprint("order ", next)
		next++
		if got := in.string([]byte(want), a); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	for range internSample + 1 {
		unique()
	}
	if in.rest == 0 || in.own.block != nil || in.slots != nil {
		t.Fatal("it is still looked up")
	}
	for in.rest > 0 {
		unique()
	}
	for range 2 * internSample { // it tries again, and finds that it pays now
		in.string([]byte("same"), a)
	}
	if in.rest != 0 || in.hits == 0 {
		t.Errorf("rest %d, hits %d", in.rest, in.hits)
	}
}

func TestTheHotLoopsHardlyAllocate(t *testing.T) {
	type hot struct {
		sale
		Amount decimal.Decimal
		Note   *string
		Rating pgtype.Int4
		UUID   [16]byte
		Exact  string
	}
	note := "a note that repeats"
	records := make([]hot, 1000)
	for i, s := range sales(len(records)) {
		records[i] = hot{sale: s, Amount: decimal.MustNew(int64(i*i), 2), Rating: pgtype.Int4{Int32: int32(i), Valid: i%2 == 0}, Exact: "10.50"}
		if i%2 == 0 {
			records[i].Note = &note
		}
	}
	cols := append([]Column{
		{Name: "amount", OID: pgtype.NumericOID}, {Name: "note", OID: pgtype.TextOID}, {Name: "rating", OID: pgtype.Int4OID},
		{Name: "uuid", OID: pgtype.UUIDOID}, {Name: "exact", OID: pgtype.NumericOID},
	}, saleColumns...)
	stream := tuples(t, cols, records)
	rows := rawRows(t, len(cols), stream)
	e, err := NewEncoder[hot](cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDecoder[hot](cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, len(stream))
	var dst hot
	for name, loop := range map[string]func() error{
		"encode": func() (err error) {
			buf = buf[:0]
			for i := range records {
				if buf, err = e.Append(buf, &records[i]); err != nil {
					return err
				}
			}
			return nil
		},
		"decode": func() error {
			for _, row := range rows {
				if err := d.Decode(row, &dst); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		perLoop := testing.AllocsPerRun(20, func() {
			if err := loop(); err != nil {
				t.Error(err)
			}
		})
		if perRow := perLoop / float64(len(records)); perRow >= 0.01 {
			t.Errorf("%s: %.4f allocations a row", name, perRow)
		}
	}
}

func TestOnePairOfPlansALaneOnOneMap(t *testing.T) {
	// Lanes make their own plans from a connection's map, one after the other,
	// and work side by side: also where pgx's plans use a map while they work.
	type row struct {
		ID   int64
		Doc  map[string]int
		Took pgtype.Interval
		Grid [][]int32
	}
	cols := []Column{
		{Name: "id", OID: pgtype.Int8OID}, {Name: "doc", OID: pgtype.JSONBOID},
		{Name: "took", OID: pgtype.IntervalOID, Typmod: -1}, {Name: "grid", OID: pgtype.Int4ArrayOID},
	}
	m := pgtype.NewMap()
	var lanes sync.WaitGroup
	for lane := range 4 {
		e, err := NewEncoder[row](cols, m)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewDecoder[row](cols, m)
		if err != nil {
			t.Fatal(err)
		}
		lanes.Go(func() {
			for i := range 200 {
				want := row{int64(i), map[string]int{"lane": lane}, pgtype.Interval{Days: int32(i), Valid: true}, [][]int32{{int32(i)}, {2}}}
				tuple, err := e.Append(nil, &want)
				if err != nil {
					t.Error(err)
					return
				}
				var values [4][]byte
				rest := tuple[2:]
				for c := range values {
					if values[c], rest, err = cutValue(rest); err != nil {
						t.Error(err)
						return
					}
				}
				var got row
				if err := d.Decode(values[:], &got); err != nil || !equal(got, want) {
					t.Errorf("got %+v, %v", got, err)
				}
			}
		})
	}
	lanes.Wait()
}
