package pgcodec

import (
	"bytes"
	"database/sql/driver"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

type address struct {
	City   string
	Street string `db:"Road"`
}

type hidden struct{ Zip int32 }

func TestFieldsFollowTagsNamesAndEmbedding(t *testing.T) {
	type row struct {
		SaleID  int64
		Qty     int `db:"quantity"`
		Skipped int `db:"-"`
		private int
		address
		hidden
		*time.Location
		pgtype.Date `db:"day"`
	}
	_ = row{private: 1}
	fields, err := Fields(reflect.TypeFor[*row]())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fields {
		got = append(got, f.Path+" "+f.Name)
	}
	want := []string{"SaleID SaleID", "Qty quantity", "address.City City", "address.Street Road", "hidden.Zip Zip", "Location Location", "Date day"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestFieldsRefuseWhatCannotBeARecord(t *testing.T) {
	type duplicate struct {
		City string
		address
	}
	tests := []struct {
		name, want string
		t          reflect.Type
	}{
		{"an int", "a record must be a struct", reflect.TypeFor[int]()},
		{"a map", "a record must be a struct", reflect.TypeFor[map[string]int]()},
		{"an empty struct", "has no exported field", reflect.TypeFor[struct{ a int }]()},
		{"the same name by embedding", "fields City and address.City are both for column", reflect.TypeFor[duplicate]()},
		{"the same tag", `fields A and B are both for column "x"`, reflect.TypeFor[struct {
			A int `db:"x"`
			B int `db:"x"`
		}]()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Fields(test.t); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestColumnsMatchAsInPgx(t *testing.T) {
	cols := func(names ...string) []Column {
		c := make([]Column, len(names))
		for i, n := range names {
			c[i] = Column{Name: n, OID: pgtype.Int8OID}
		}
		return c
	}
	type userID struct{ UserID int64 }
	type tagged struct {
		Upper int64 `db:"ID"`
		Lower int64 `db:"id"`
	}
	type one struct {
		V int64 `db:"Total"`
	}
	type both struct {
		UserID int64
		Other  int64 `db:"user_id"`
	}
	tests := []struct {
		name string
		run  func() error
		want string // "" is no error
	}{
		{"a Go name, case and underscores aside", func() error { _, err := NewDecoder[userID](cols("x", "USER_id"), nil); return err }, ""},
		{"tags that differ by case", func() error { _, err := NewDecoder[tagged](cols("id", "ID"), nil); return err }, ""},
		{"a tag of another case", func() error { _, err := NewDecoder[one](cols("total"), nil); return err }, ""},
		{"a tag does not ignore underscores", func() error { _, err := NewDecoder[one](cols("to_tal"), nil); return err }, `there is no column "Total"; the columns are "to_tal"; the nearest is "to_tal"`},
		{"two columns that fit a Go name", func() error { _, err := NewDecoder[userID](cols("userid", "user_id"), nil); return err }, `field UserID could be column "userid" or column "user_id": a db tag must say which`},
		{"two columns that fit a tag", func() error { _, err := NewDecoder[one](cols("TOTAL", "total"), nil); return err }, `could be column "TOTAL" or column "total"`},
		{"two fields for a column", func() error { _, err := NewDecoder[both](cols("user_id"), nil); return err }, `fields UserID and Other are both for column "user_id"`},
		{"nothing near", func() error { _, err := NewDecoder[userID](cols("price"), nil); return err }, `field UserID: there is no column "user_id"; the columns are "price"`},
		{"no columns", func() error { _, err := NewDecoder[userID](nil, nil); return err }, `the columns are none`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.run()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestNearestFindsAMisspellingAndNothingElse(t *testing.T) {
	names := []string{"sale_id", "quantity", "unit_price", "Sale Date"}
	for name, want := range map[string]string{
		"quantiy": "quantity", "unitprice": "unit_price", "SALE_ID": "sale_id", "sale date": "Sale Date", "customer": "", "": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestAWideTableIsCutInMessages(t *testing.T) {
	cols := make([]Column, 100)
	for i := range cols {
		cols[i] = Column{Name: strings.Repeat("c", i+10)}
	}
	_, err := NewDecoder[record[int]](cols, nil)
	if err == nil || !strings.Contains(err.Error(), "and 60 more") {
		t.Errorf("got %v", err)
	}
}

func TestSnakeCaseWritesAGoNameAsAColumn(t *testing.T) {
	for name, want := range map[string]string{
		"SaleID": "sale_id", "HTTPStatus": "http_status", "ID": "id", "A": "a", "Line2": "line2", "UnitPrice": "unit_price",
		"already_snake": "already_snake", "Order_ID": "order_id", "SHA256": "sha256", "Größe": "größe",
	} {
		if got := snakeCase(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestEmbeddedFieldsAndPointersToRecordsGoBothWays(t *testing.T) {
	type row struct {
		ID int64
		address
		hidden
	}
	cols := []Column{
		{Name: "zip", OID: pgtype.Int4OID}, {Name: "extra", OID: pgtype.Int4OID}, {Name: "Road", OID: pgtype.TextOID},
		{Name: "city", OID: pgtype.TextOID}, {Name: "id", OID: pgtype.Int8OID},
	}
	e, err := NewEncoder[*row](cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range e.Columns() {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "zip Road city id" {
		t.Errorf("the columns are %s", got)
	}
	want := &row{7, address{"Lyon", "rue"}, hidden{69000}}
	tuple, err := e.Append(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	values := rawRows(t, 4, tuple)[0]
	d, err := NewDecoder[*row](cols, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := &row{ID: 1}
	kept := got
	if err := d.Decode([][]byte{values[0], nil, values[1], values[2], values[3]}, &got); err != nil {
		t.Fatal(err)
	}
	if *got != *want || kept.ID != 1 {
		t.Errorf("got %+v, and the record before is %+v", got, kept)
	}
}

func TestDescriptionsBecomeColumns(t *testing.T) {
	name := []byte("v")
	cols := FromDescriptions([]pgconn.FieldDescription{{Name: string(name), DataTypeOID: pgtype.NumericOID, TypeModifier: 12<<16 | 2 + 4}})
	if want := (Column{Name: "v", OID: pgtype.NumericOID, Typmod: 12<<16 | 2 + 4}); cols[0] != want {
		t.Errorf("got %+v", cols[0])
	}
	if !HasBinary(cols[0], nil) || HasBinary(Column{OID: pgtype.ACLItemOID}, nil) || !HasBinary(Column{OID: 99999}, nil) {
		t.Error("HasBinary")
	}
}

// swapped keeps a uuid in the order of another database, and says so.
type swapped [16]byte

func (s swapped) Value() (driver.Value, error) {
	id := pgtype.UUID{Bytes: s, Valid: true}
	id.Bytes[0], id.Bytes[3] = id.Bytes[3], id.Bytes[0]
	return id.Value()
}

func (s *swapped) Scan(src any) error {
	var id pgtype.UUID
	if err := id.Scan(src); err != nil {
		return err
	}
	id.Bytes[0], id.Bytes[3] = id.Bytes[3], id.Bytes[0]
	*s = id.Bytes
	return nil
}

func TestATypesOwnMethodsComeBeforeItsKind(t *testing.T) {
	id := swapped{1, 2, 3, 4, 5}
	tuple, err := encodeOne(t, of(pgtype.UUIDOID), id)
	if err != nil {
		t.Fatal(err)
	}
	raw := tuple[len("before")+6:]
	if want := []byte{4, 2, 3, 1, 5}; !bytes.Equal(raw[:5], want) {
		t.Errorf("got %x", raw)
	}
	if back, err := decodeOne[swapped](t, of(pgtype.UUIDOID), raw); err != nil || back != id {
		t.Errorf("came back as %v, %v", back, err)
	}
}
