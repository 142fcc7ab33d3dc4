package pgcodec

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// What a time.Now() holds beyond the column is refused, in words by which it can be helped; and what they say helps.
func TestATimeThatIsTooFineSaysHowToCutIt(t *testing.T) {
	type row struct{ V time.Time }
	for _, test := range []struct {
		oid    uint32
		typmod int32
		want   string
		unit   time.Duration
	}{
		{pgtype.TimestamptzOID, -1, "2026-03-08T12:13:14.123456789Z has more digits than timestamp with time zone holds: cut them off by .Truncate(time.Microsecond)", time.Microsecond},
		{pgtype.TimestampOID, -1, ".Truncate(time.Microsecond)", time.Microsecond},
		{pgtype.TimestampOID, 5, ".Truncate(10 * time.Microsecond)", 10 * time.Microsecond},
		{pgtype.TimestamptzOID, 4, ".Truncate(100 * time.Microsecond)", 100 * time.Microsecond},
		{pgtype.TimestamptzOID, 3, ".Truncate(time.Millisecond)", time.Millisecond},
		{pgtype.TimestamptzOID, 2, ".Truncate(10 * time.Millisecond)", 10 * time.Millisecond},
		{pgtype.TimestamptzOID, 1, ".Truncate(100 * time.Millisecond)", 100 * time.Millisecond},
		{pgtype.TimestampOID, 0, ".Truncate(time.Second)", time.Second},
		{pgtype.TimeOID, -1, ".Truncate(time.Microsecond)", time.Microsecond},
		{pgtype.TimeOID, 0, ".Truncate(time.Second)", time.Second},
	} {
		encoder, err := NewEncoder[row]([]Column{{Name: "v", OID: test.oid, Typmod: test.typmod}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2026, 3, 8, 12, 13, 14, 123456789, time.UTC)
		if test.oid == pgtype.TimeOID {
			day = time.Date(2000, 1, 1, 12, 13, 14, 123456789, time.UTC)
		}
		_, err = encoder.Append(nil, &row{day})
		var value *ValueError
		if !errors.As(err, &value) || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("type %d (%d): got %v, want %s", test.oid, test.typmod, err, test.want)
		}
		if _, err := encoder.Append(nil, &row{day.Truncate(test.unit)}); err != nil {
			t.Errorf("type %d (%d): once it is cut: %v", test.oid, test.typmod, err)
		}
	}
}

// What a tag says is heeded, or an error.
func TestATagIsAColumnsNameOrAnError(t *testing.T) {
	type inner struct{ A int }
	_ = inner{}
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a name with a comma, which would be cut": {fieldsOf[struct {
			A string `db:"Last, First"`
		}](), `field A: the tag db:"Last, First" is to be the name of a column, in which a comma cannot be, and has no options`},
		"no name": {fieldsOf[struct {
			A string `db:",omitempty"`
		}](), "has no options"},
		"a comma alone": {fieldsOf[struct {
			A string `db:"a,"`
		}](), "has no options"},
		"in an embedded struct": {fieldsOf[struct{ embeddedTag }](), `field embeddedTag.A: the tag db:"a,pk"`},
		"on a field that is not exported": {fieldsOf[struct {
			A int
			b int `db:"b"`
		}](), `field b: the tag db:"b" has no effect on a field that is not exported`},
		"on an embedded type that is not exported": {fieldsOf[struct {
			B     int
			inner `db:"a"`
		}](), `field inner: the tag db:"a" has no effect on a field that is not exported`},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, test.err, test.want)
		}
	}
	if err := fieldsOf[struct {
		A int `db:"a b"`
		b int `db:"-"`
	}](); err != nil {
		t.Error(err)
	}
}
