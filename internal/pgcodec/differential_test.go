package pgcodec

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// pgxBytes is what pgx makes of a value: length and bytes.
func pgxBytes(t *testing.T, oid uint32, v any) []byte {
	t.Helper()
	b, err := pgtype.NewMap().Encode(oid, pgtype.BinaryFormatCode, v, []byte{})
	if err != nil {
		t.Fatalf("pgx cannot encode %#v: %v", v, err)
	}
	if b == nil {
		return []byte{0xff, 0xff, 0xff, 0xff}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

type record[V any] struct{ V V }

// pair is a Go type against a column type, with random values of the Go type.
type pair struct {
	name string
	run  func(t *testing.T, r *rand.Rand)
}

// same holds the encoder to pgx's bytes, and the decoder to the value.
func same[V any](oid uint32, random func(r *rand.Rand) V) pair {
	return check(oid, random, func(v V) any { return v }, true)
}

// general is same for pairs outside the compiled set, which go by pgx's plans.
func general[V any](oid uint32, random func(r *rand.Rand) V) pair {
	return check(oid, random, func(v V) any { return v }, false)
}

// sameAs is same where pgx has no plan for the type, but has one for what as gives.
func sameAs[V any](oid uint32, random func(r *rand.Rand) V, as func(V) any) pair {
	return check(oid, random, as, true)
}

func check[V any](oid uint32, random func(r *rand.Rand) V, as func(V) any, compiled bool) pair {
	var v V
	return pair{name: fmt.Sprintf("%T_oid%d", v, oid), run: func(t *testing.T, r *rand.Rand) {
		cols := []Column{{Name: "v", OID: oid, Typmod: -1}}
		enc, err := NewEncoder[record[V]](cols, nil)
		if err != nil {
			t.Fatal(err)
		}
		dec, err := NewDecoder[record[V]](cols, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := newCompiler(nil)
		c.arena = &arena{size: arenaBlock}
		w := newWireType(cols[0], c.m)
		if got := c.compiledEncoder(reflect.TypeFor[V](), w) != nil; got != compiled {
			t.Fatalf("compiled encoder: %v", got)
		}
		for range 200 {
			rec := record[V]{random(r)}
			want := append([]byte{0, 1}, pgxBytes(t, oid, as(rec.V))...)
			got, err := enc.Append(nil, &rec)
			if err != nil {
				t.Fatalf("%#v: %v", rec.V, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%#v:\n got %x\nwant %x", rec.V, got, want)
			}
			back := record[V]{random(r)} // holds something else before
			if err := dec.Decode([][]byte{rawValue(got)}, &back); err != nil {
				t.Fatalf("%#v: %v", rec.V, err)
			}
			if !equal(rec.V, back.V) {
				t.Fatalf("%#v came back as %#v", rec.V, back.V)
			}
		}
	}}
}

// rawValue takes the only value out of a tuple.
func rawValue(tuple []byte) []byte {
	v, rest, err := cutValue(tuple[2:])
	if err != nil || len(rest) > 0 {
		panic("not a tuple of one value")
	}
	return v
}

// equal compares by meaning: instants, numbers; everything else deeply.
func equal(a, b any) bool {
	switch a := a.(type) {
	case time.Time:
		return a.Equal(b.(time.Time))
	case decimal.Decimal:
		return a == b.(decimal.Decimal)
	case pgtype.Numeric:
		b := b.(pgtype.Numeric)
		x, _ := a.MarshalJSON()
		y, _ := b.MarshalJSON()
		return sameNumber(bytes.Trim(x, `"`), bytes.Trim(y, `"`)) || string(x) == string(y)
	case float64:
		return a == b || math.IsNaN(a) && math.IsNaN(b.(float64))
	case float32:
		return a == b || a != a && b.(float32) != b.(float32)
	}
	return reflect.DeepEqual(a, b)
}

type (
	namedString string
	namedInt    int32
	namedBytes  []byte
	namedUUID   [16]byte
)

func integers[G integer](oids ...uint32) []pair {
	random := func(limit int) func(r *rand.Rand) G {
		return func(r *rand.Rand) G {
			shift := r.IntN(64)
			v := G(int64(r.Uint64()) >> shift)
			// What fits both the Go type and the column.
			bound := int64(1)<<(limit-1) - 1
			if f := float64(v); f > float64(bound) || f < -float64(bound) {
				return G(r.IntN(100))
			}
			return v
		}
	}
	var pairs []pair
	for _, oid := range oids {
		limit := map[uint32]int{pgtype.Int2OID: 16, pgtype.Int4OID: 32, pgtype.Int8OID: 62, pgtype.NumericOID: 62, pgtype.Float8OID: 53}[oid]
		pairs = append(pairs, same(oid, random(limit)))
	}
	return pairs
}

func maybe[V any](f func(r *rand.Rand) V) func(r *rand.Rand) *V {
	return func(r *rand.Rand) *V {
		if r.IntN(4) == 0 {
			return nil
		}
		v := f(r)
		return &v
	}
}

func many[V any](f func(r *rand.Rand) V) func(r *rand.Rand) []V {
	return func(r *rand.Rand) []V {
		switch r.IntN(6) {
		case 0:
			return nil
		case 1:
			return []V{}
		}
		s := make([]V, 1+r.IntN(9))
		for i := range s {
			s[i] = f(r)
		}
		return s
	}
}

func text(r *rand.Rand) string {
	var b strings.Builder
	alphabet := []rune("abcdefghij \n\"',éß漢字😀")
	for range r.IntN(30) {
		b.WriteRune(alphabet[r.IntN(len(alphabet))])
	}
	return b.String()
}

func rawBytes(r *rand.Rand) []byte {
	if r.IntN(5) == 0 {
		return nil
	}
	b := make([]byte, r.IntN(40))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func jsonText(r *rand.Rand) string {
	b, _ := json.Marshal(map[string]string{"k": text(r)})
	return string(b)
}

func uuid(r *rand.Rand) (id [16]byte) {
	binary.BigEndian.PutUint64(id[:], r.Uint64())
	binary.BigEndian.PutUint64(id[8:], r.Uint64())
	return id
}

func day(r *rand.Rand) time.Time {
	return time.Date(1+r.IntN(9999), 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC)
}

func instant(r *rand.Rand) time.Time {
	zone := time.FixedZone("somewhere", 60*(r.IntN(1440)-720))
	return time.Date(-4000+r.IntN(290000), 1, 1+r.IntN(365), 0, 0, r.IntN(86400), 1000*r.IntN(1_000_000), zone)
}

func wall(r *rand.Rand) time.Time {
	t := instant(r)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func timeOfDay(r *rand.Rand) time.Time {
	return time.Date(2000, 1, 1, 0, 0, r.IntN(86400), 1000*r.IntN(1_000_000), time.UTC)
}

func infinity(r *rand.Rand) (pgtype.InfinityModifier, bool) {
	m := pgtype.InfinityModifier(r.IntN(8) - 4)
	return m, m == pgtype.Infinity || m == pgtype.NegativeInfinity
}

func someDecimal(r *rand.Rand) decimal.Decimal {
	return decimal.MustNew(int64(r.Uint64()>>r.IntN(64)%1e18)*int64(1-2*r.IntN(2)), r.IntN(20))
}

func asNumeric(d decimal.Decimal) any {
	n := pgtype.Numeric{Int: new(big.Int).SetUint64(d.Coef()), Exp: -int32(d.Scale()), Valid: true}
	if d.IsNeg() {
		n.Int.Neg(n.Int)
	}
	return n
}

func numeric(r *rand.Rand) pgtype.Numeric {
	switch r.IntN(12) {
	case 0:
		return pgtype.Numeric{}
	case 1:
		return pgtype.Numeric{NaN: true, Valid: true}
	case 2:
		return pgtype.Numeric{InfinityModifier: pgtype.Infinity, Valid: true}
	case 3:
		return pgtype.Numeric{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	n := new(big.Int).SetUint64(r.Uint64() >> r.IntN(64))
	for range r.IntN(8) {
		n.Mul(n, new(big.Int).SetUint64(r.Uint64()>>1|1))
	}
	if r.IntN(2) == 0 {
		n.Neg(n)
	}
	return pgtype.Numeric{Int: n, Exp: -int32(r.IntN(80)), Valid: true}
}

func TestCompiledEncodersWriteWhatPgxWritesAndReadItBack(t *testing.T) {
	float8 := func(r *rand.Rand) float64 { return math.Float64frombits(r.Uint64()) }
	float4 := func(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32()) }
	boolean := func(r *rand.Rand) bool { return r.IntN(2) == 0 }
	int64s := func(r *rand.Rand) int64 { return int64(r.Uint64()) }
	quarters := func(r *rand.Rand) float64 { return float64(r.IntN(1e9)-5e8) / 4 }

	pairs := []pair{
		same(pgtype.BoolOID, boolean),
		same(pgtype.BoolOID, func(r *rand.Rand) pgtype.Bool {
			v := boolean(r)
			return pgtype.Bool{Bool: v, Valid: v || boolean(r)}
		}),
		same(pgtype.BoolOID, maybe(boolean)),
		same(pgtype.BoolArrayOID, many(boolean)),

		same(pgtype.Int4OID, func(r *rand.Rand) namedInt { return namedInt(r.Uint32()) }),
		same(pgtype.Int8OID, int64s),
		same(pgtype.Int8OID, maybe(int64s)),
		same(pgtype.Int8ArrayOID, many(int64s)),
		same(pgtype.Int8ArrayOID, many(maybe(int64s))),
		same(pgtype.Int8OID, func(r *rand.Rand) pgtype.Int8 {
			if boolean(r) {
				return pgtype.Int8{}
			}
			return pgtype.Int8{Int64: int64s(r), Valid: true}
		}),
		same(pgtype.Int4OID, func(r *rand.Rand) pgtype.Int4 { return pgtype.Int4{Int32: int32(r.Uint32()), Valid: true} }),
		same(pgtype.Int2OID, func(r *rand.Rand) pgtype.Int2 { return pgtype.Int2{Int16: int16(r.Uint32()), Valid: true} }),
		same(pgtype.Int8OID, func(r *rand.Rand) sql.NullInt64 { return sql.NullInt64{Int64: int64s(r), Valid: true} }),
		same(pgtype.Int8OID, func(r *rand.Rand) sql.Null[int64] { return sql.Null[int64]{V: int64s(r), Valid: true} }),

		same(pgtype.Float8OID, float8),
		same(pgtype.Float4OID, float4),
		same(pgtype.Float8OID, float4),
		same(pgtype.Float8OID, maybe(float64s)),
		same(pgtype.Float8ArrayOID, many(float64s)),
		same(pgtype.Float8OID, func(r *rand.Rand) pgtype.Float8 { return pgtype.Float8{Float64: float64s(r), Valid: true} }),
		same(pgtype.Float4OID, func(r *rand.Rand) pgtype.Float4 { return pgtype.Float4{Float32: float32(r.IntN(99)), Valid: true} }),

		same(pgtype.NumericOID, quarters),
		// pgx widens a float32 first and would write 0.10000000149011612 for 0.1.
		sameAs(pgtype.NumericOID, func(r *rand.Rand) float32 { return float32(quarters(r) / 1024) }, func(f float32) any {
			var n pgtype.Numeric
			if err := n.Scan(strconv.FormatFloat(float64(f), 'f', -1, 32)); err != nil {
				t.Fatal(err)
			}
			return n
		}),
		same(pgtype.NumericOID, int64s),
		sameAs(pgtype.NumericOID, someDecimal, asNumeric),
		sameAs(pgtype.NumericOID, maybe(someDecimal), func(d *decimal.Decimal) any {
			if d == nil {
				return nil
			}
			return asNumeric(*d)
		}),
		sameAs(pgtype.NumericOID, func(r *rand.Rand) decimal.NullDecimal {
			if boolean(r) {
				return decimal.NullDecimal{}
			}
			return decimal.NullDecimal{Decimal: someDecimal(r), Valid: true}
		}, func(d decimal.NullDecimal) any {
			if !d.Valid {
				return nil
			}
			return asNumeric(d.Decimal)
		}),
		sameAs(pgtype.NumericArrayOID, many(someDecimal), func(s []decimal.Decimal) any {
			if s == nil {
				return nil
			}
			n := make([]any, len(s))
			for i, d := range s {
				n[i] = asNumeric(d)
			}
			return pgtype.FlatArray[any](n)
		}),
		same(pgtype.NumericOID, numeric),
		sameAs(pgtype.NumericOID, numericText, func(s string) any {
			var n pgtype.Numeric
			if err := n.Scan(s); err != nil {
				t.Fatal(err)
			}
			return n
		}),

		same(pgtype.TextOID, text),
		same(pgtype.VarcharOID, text),
		same(pgtype.BPCharOID, text),
		same(pgtype.NameOID, text),
		same(pgtype.TextOID, func(r *rand.Rand) namedString { return namedString(text(r)) }),
		same(pgtype.TextOID, maybe(text)),
		same(pgtype.TextArrayOID, many(text)),
		same(pgtype.TextArrayOID, many(maybe(text))),
		same(pgtype.VarcharArrayOID, many(text)),
		same(pgtype.TextOID, func(r *rand.Rand) pgtype.Text { return pgtype.Text{String: text(r), Valid: true} }),
		same(pgtype.TextOID, func(r *rand.Rand) sql.NullString { return sql.NullString{String: text(r), Valid: true} }),
		same(pgtype.TextOID, func(r *rand.Rand) []byte { return []byte(text(r)) }),

		same(pgtype.ByteaOID, rawBytes),
		same(pgtype.ByteaOID, func(r *rand.Rand) namedBytes { return rawBytes(r) }),
		same(pgtype.ByteaArrayOID, many(rawBytes)),

		same(pgtype.UUIDOID, uuid),
		same(pgtype.UUIDOID, func(r *rand.Rand) namedUUID { return uuid(r) }),
		same(pgtype.UUIDOID, func(r *rand.Rand) pgtype.UUID { return pgtype.UUID{Bytes: uuid(r), Valid: true} }),
		same(pgtype.UUIDArrayOID, many(uuid)),
		sameAs(pgtype.UUIDOID, func(r *rand.Rand) string { return pgtype.UUID{Bytes: uuid(r), Valid: true}.String() }, func(s string) any {
			var id pgtype.UUID
			if err := id.Scan(s); err != nil {
				t.Fatal(err)
			}
			return id
		}),

		same(pgtype.DateOID, day),
		same(pgtype.DateOID, maybe(day)),
		same(pgtype.DateArrayOID, many(day)),
		same(pgtype.DateOID, func(r *rand.Rand) pgtype.Date {
			if m, ok := infinity(r); ok {
				return pgtype.Date{InfinityModifier: m, Valid: true}
			}
			return pgtype.Date{Time: day(r), Valid: true}
		}),
		same(pgtype.TimestampOID, wall),
		same(pgtype.TimestampArrayOID, many(wall)),
		same(pgtype.TimestampOID, func(r *rand.Rand) pgtype.Timestamp {
			if m, ok := infinity(r); ok {
				return pgtype.Timestamp{InfinityModifier: m, Valid: true}
			}
			return pgtype.Timestamp{Time: wall(r), Valid: true}
		}),
		same(pgtype.TimestamptzOID, instant),
		same(pgtype.TimestamptzOID, func(r *rand.Rand) pgtype.Timestamptz {
			if m, ok := infinity(r); ok {
				return pgtype.Timestamptz{InfinityModifier: m, Valid: true}
			}
			return pgtype.Timestamptz{Time: instant(r).UTC(), Valid: true}
		}),
		same(pgtype.TimeOID, timeOfDay),
		same(pgtype.TimeOID, func(r *rand.Rand) pgtype.Time {
			return pgtype.Time{Microseconds: r.Int64N(dayMicros + 1), Valid: true}
		}),

		same(pgtype.JSONOID, jsonText),
		same(pgtype.JSONOID, func(r *rand.Rand) []byte { return []byte(jsonText(r)) }),
		same(pgtype.JSONOID, func(r *rand.Rand) json.RawMessage { return json.RawMessage(jsonText(r)) }),
		same(pgtype.JSONBOID, jsonText),
		same(pgtype.JSONBOID, maybe(jsonText)),
		same(pgtype.JSONBOID, func(r *rand.Rand) []byte { return []byte(jsonText(r)) }),
		same(pgtype.JSONBOID, func(r *rand.Rand) json.RawMessage { return json.RawMessage(jsonText(r)) }),
		same(pgtype.JSONBArrayOID, many(jsonText)),

		general(pgtype.JSONBOID, func(r *rand.Rand) map[string]string { return map[string]string{"k": text(r)} }),
		general(pgtype.JSONOID, func(r *rand.Rand) struct{ A, B int } { return struct{ A, B int }{r.IntN(9), 2} }),
		same(pgtype.IntervalOID, func(r *rand.Rand) time.Duration { return time.Duration(r.IntN(1e9)) * time.Microsecond }),
		general(pgtype.IntervalOID, func(r *rand.Rand) pgtype.Interval {
			return pgtype.Interval{Days: int32(r.IntN(9)), Microseconds: r.Int64N(1e9), Valid: true}
		}),
		general(pgtype.Int8OID, func(r *rand.Rand) zeronull.Int8 { return zeronull.Int8(r.IntN(2)) }),
		general(pgtype.InetOID, func(r *rand.Rand) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(256))}) }),
		general(pgtype.Int4ArrayOID, func(r *rand.Rand) [][]int32 { return [][]int32{{1, r.Int32()}, {r.Int32(), 4}} }),
		general(pgtype.Int4rangeOID, func(r *rand.Rand) pgtype.Range[pgtype.Int4] {
			return pgtype.Range[pgtype.Int4]{
				Lower: pgtype.Int4{Int32: r.Int32N(9), Valid: true}, Upper: pgtype.Int4{Int32: 10, Valid: true},
				LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
			}
		}),
		general(pgtype.PointOID, func(r *rand.Rand) pgtype.Point {
			return pgtype.Point{P: pgtype.Vec2{X: float64s(r), Y: 2}, Valid: true}
		}),
	}
	ints := []uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float8OID}
	pairs = append(pairs, integers[int](ints...)...)
	pairs = append(pairs, integers[int8](ints...)...)
	pairs = append(pairs, integers[int16](ints...)...)
	pairs = append(pairs, integers[int32](ints...)...)
	pairs = append(pairs, integers[int64](ints...)...)
	pairs = append(pairs, integers[uint](ints...)...)
	pairs = append(pairs, integers[uint8](ints...)...)
	pairs = append(pairs, integers[uint16](ints...)...)
	pairs = append(pairs, integers[uint32](ints...)...)
	pairs = append(pairs, integers[uint64](ints...)...)

	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			p.run(t, rand.New(rand.NewPCG(1, 2)))
		})
	}
}

func float64s(r *rand.Rand) float64 { return r.NormFloat64() * 1e6 }

// numericText writes a number in the way that the server would.
func numericText(r *rand.Rand) string {
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
		}
		return string(b)
	}
	s := strings.TrimLeft(digits(r.IntN(45)), "0")
	if s == "" {
		s = "0"
	}
	if n := r.IntN(40); n > 0 {
		s += "." + digits(n)
	}
	if r.IntN(2) == 0 && strings.Trim(s, "0.") != "" {
		s = "-" + s
	}
	return s
}
