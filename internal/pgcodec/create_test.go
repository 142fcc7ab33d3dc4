package pgcodec

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

func TestColumnsForGivesEachFieldTheTypeThatLosesNothing(t *testing.T) {
	type record struct {
		SaleID     int
		HTTPStatus uint16
		Flag       bool
		Small      int8
		Mid        int32
		Wide       uint32
		Widest     uint64
		Real       float32
		Ratio      float64
		Name       namedString
		Raw        []byte
		At         time.Time
		Key        [16]byte
		Price      decimal.Decimal
		Doc        json.RawMessage
		Extra      map[string]int
		Tags       []string
		Kinds      []namedString
		Blobs      [][]byte
		Scores     []float64
		Maybe      *int64
		MaybeText  sql.NullString
		Day        pgtype.Date
		ID         pgtype.UUID
		Took       time.Duration
		Renamed    string `db:"Other Name"`
		Skipped    string `db:"-"`
	}
	want := []string{
		"sale_id bigint!", "http_status integer!", "flag boolean!", "small smallint!", "mid integer!", "wide bigint!",
		"widest numeric(20,0)!", "real real!", "ratio double precision!", "name text!", "raw bytea", "at timestamp with time zone!",
		"key uuid!", "price numeric!", "doc jsonb", "extra jsonb", "tags text[]", "kinds text[]", "blobs bytea[]", "scores double precision[]", "maybe bigint",
		"maybe_text text", "day date", "id uuid", "took interval!", "Other Name text!",
	}
	cols, err := ColumnsFor(reflect.TypeFor[record](), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cols {
		got := c.Name + " " + c.TypeName
		if c.NotNull {
			got += "!"
		}
		if got != want[i] {
			t.Errorf("got %s, want %s", got, want[i])
		}
	}
	// The table that is made must take the struct it was made from.
	if _, err := NewEncoder[record](cols, nil); err != nil {
		t.Error(err)
	}
	if _, err := NewDecoder[record](cols, nil); err != nil {
		t.Error(err)
	}
}

func TestColumnsForNamesTheFieldsItHasNoTypeFor(t *testing.T) {
	_, err := ColumnsFor(reflect.TypeFor[struct {
		A chan int
		B int
		C func()
		D []chan int
		F swapped
	}](), nil)
	for _, want := range []string{"field A (chan int)", "field C (func())", "field D ([]chan int)", "field F (pgcodec.swapped)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if _, err := ColumnsFor(reflect.TypeFor[int](), nil); err == nil {
		t.Error("an int is not a record")
	}
}

func ExampleColumnsFor() {
	type Sale struct {
		SaleID    int64
		Product   string
		UnitPrice decimal.Decimal
		Note      *string
	}
	cols, err := ColumnsFor(reflect.TypeFor[Sale](), nil)
	if err != nil {
		fmt.Println(err)
	}
	for _, c := range cols {
		fmt.Println(c.Name, c.TypeName, c.NotNull)
	}
	// Output:
	// sale_id bigint true
	// product text true
	// unit_price numeric true
	// note text false
}
