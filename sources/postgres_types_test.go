package sources_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// everyType has a column of each type, and of some that pgx does not know.
const everyType = `
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
CREATE TABLE every (
	n int PRIMARY KEY,
	bool bool, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8, numeric numeric(12,2), wide numeric,
	text text, varchar varchar(20), bpchar char(5), bytea bytea, uuid uuid,
	date date, "timestamp" timestamp, timestamptz timestamptz, "time" time, json json, jsonb jsonb,
	ints int8[], texts text[], mood mood, moods mood[], domain positive,
	interval interval, inet inet, range int4range, pair pair
);
INSERT INTO every VALUES
(1, true, -32768, -2147483648, -9223372036854775808, 1.5, 1e-300, 1234567890.12, 1234567890123456789012345678901234567890.5,
 'Ünï ''quoted''', 'v', 'ab', '\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
 '2024-02-29', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+02', '23:59:59.999999', '{"a": 1}', '{"b": [1, 2]}',
 '{1,-2,3}', '{a,"b,c",""}', 'happy', '{sad,ok}', 7,
 '1 mon 2 days 03:04:05.000006', '10.0.0.1/8', '[1,5)', '(1,"x,y")'),
(2, false, 32767, 2147483647, 9223372036854775807, 'NaN', 'Infinity', -0.01, 0,
 '', '', '', '', '00000000-0000-0000-0000-000000000000',
 '0001-01-01', '0001-01-01', '1970-01-01 00:00:00+00', '00:00', 'null', '""',
 '{}', '{}', 'sad', '{}', 1,
 '0', '::1', 'empty', '(,)');
INSERT INTO every (n) VALUES (3)`

type everyRow struct {
	N           int64
	Bool        bool
	Int2        int16
	Int4        int32
	Int8        int64
	Float4      float32
	Float8      float64
	Numeric     decimal.Decimal
	Wide        string
	Text        string
	Varchar     string
	Bpchar      string
	Bytea       []byte
	UUID        [16]byte
	Date        time.Time
	Timestamp   time.Time
	Timestamptz time.Time
	Time        pgtype.Time
	JSON        json.RawMessage
	JSONB       map[string]any
	Ints        []int64
	Texts       []string
	Mood        string
	Moods       []string
	Domain      int64
	Interval    pgtype.Interval
	Inet        netip.Prefix
	Range       pgtype.Range[pgtype.Int4]
	Pair        string
}

func TestPostgresTypes(t *testing.T) {
	pool := database(t, everyType)
	check := func(t *testing.T, got []everyRow) {
		t.Helper()
		if len(got) != 1 {
			t.Fatalf("got %d rows", len(got))
		}
		want := everyRow{
			1, true, math.MinInt16, math.MinInt32, math.MinInt64, 1.5, 1e-300,
			decimal.MustParse("1234567890.12"), "1234567890123456789012345678901234567890.5",
			"Ünï 'quoted'", "v", "ab   ", []byte{0, 0xff},
			[16]byte{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11},
			time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC),
			time.Date(2024, 2, 29, 10, 34, 56, 789012000, time.UTC), pgtype.Time{Microseconds: 86399999999, Valid: true},
			json.RawMessage(`{"a": 1}`), map[string]any{"b": []any{1.0, 2.0}},
			[]int64{1, -2, 3}, []string{"a", "b,c", ""}, "happy", []string{"sad", "ok"}, 7,
			pgtype.Interval{Months: 1, Days: 2, Microseconds: 11045000006, Valid: true}, netip.MustParsePrefix("10.0.0.1/8"),
			pgtype.Range[pgtype.Int4]{Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true}, LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true},
			`(1,"x,y")`,
		}
		g := got[0]
		g.Timestamptz = g.Timestamptz.UTC()
		for i := range reflect.TypeFor[everyRow]().NumField() {
			have, wanted := reflect.ValueOf(g).Field(i).Interface(), reflect.ValueOf(want).Field(i).Interface()
			if !reflect.DeepEqual(have, wanted) {
				t.Errorf("%s: got %#v, want %#v", reflect.TypeFor[everyRow]().Field(i).Name, have, wanted)
			}
		}
	}
	t.Run("of a table", func(t *testing.T) {
		do(t, pool, `CREATE TABLE first AS SELECT * FROM every WHERE n = 1`)
		check(t, mustRead(t, sources.Postgres[everyRow]{Pool: pool, Table: "first"}))
	})
	t.Run("of a query", func(t *testing.T) {
		check(t, mustRead(t, sources.Postgres[everyRow]{Pool: pool, Query: `SELECT * FROM every WHERE n = $1`, Args: []any{1}}))
	})
	t.Run("at their edges", func(t *testing.T) {
		type row struct {
			Int2          int16
			Int4          int32
			Int8          int64
			Float4        float32
			Float8        float64
			Text, Varchar string
			Bpchar        string
			Bytea         []byte
			JSON          string
			Date          time.Time
			Ints          []int64
			Moods         []string
		}
		got := mustRead(t, sources.Postgres[row]{Pool: pool, Query: `SELECT * FROM every WHERE n = 2`})[0]
		if !math.IsNaN(float64(got.Float4)) {
			t.Errorf("Float4 is %v", got.Float4)
		}
		got.Float4 = 0
		want := row{math.MaxInt16, math.MaxInt32, math.MaxInt64, 0, math.Inf(1), "", "", "     ", []byte{}, "null", time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), []int64{}, []string{}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %#v, want %#v", got, want)
		}
	})
	t.Run("null", func(t *testing.T) {
		type row struct {
			Bool        *bool
			Int2        *int16
			Int4        pgtype.Int4
			Int8        *int64
			Float4      *float32
			Float8      pgtype.Float8
			Numeric     *decimal.Decimal
			Wide        pgtype.Numeric
			Text        *string
			Varchar     pgtype.Text
			Bpchar      *string
			Bytea       []byte
			UUID        pgtype.UUID
			Date        pgtype.Date
			Timestamp   *time.Time
			Timestamptz pgtype.Timestamptz
			Time        pgtype.Time
			JSON        json.RawMessage
			JSONB       *map[string]any
			Ints        []int64
			Texts       []string
			Mood        *string
			Moods       []string
			Domain      *int64
			Interval    pgtype.Interval
			Inet        *netip.Prefix
			Range       pgtype.Range[pgtype.Int4]
			Pair        *string
		}
		got := mustRead(t, sources.Postgres[row]{Pool: pool, Query: `SELECT * FROM every WHERE n = 3`})
		if len(got) != 1 || !reflect.DeepEqual(got[0], row{}) {
			t.Errorf("got %#v", got)
		}
		// And what is not null comes through the same fields.
		full := mustRead(t, sources.Postgres[row]{Pool: pool, Query: `SELECT * FROM every WHERE n = 1`})[0]
		v := reflect.ValueOf(full)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s is zero", v.Type().Field(i).Name)
			}
		}
	})
	t.Run("null in a field that cannot hold it", func(t *testing.T) {
		_, report, err := read(t.Context(), sources.Postgres[everyRow]{Pool: pool, Query: `SELECT * FROM every WHERE n = 3`}, pipeline.Options{MaxRejects: 1})
		if err != nil || report.Rejects != 1 {
			t.Errorf("%d rejects, %v", report.Rejects, err)
		}
	})
}

func TestPostgresInfiniteDates(t *testing.T) {
	pool := database(t, `CREATE TABLE t (date date, at timestamptz)`, `INSERT INTO t VALUES ('infinity', '-infinity')`)
	type withRoom struct {
		Date pgtype.Date
		At   pgtype.Timestamptz
	}
	got := mustRead(t, sources.Postgres[withRoom]{Pool: pool, Table: "t"})
	want := withRoom{pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}, pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %v", got)
	}
	type without struct{ Date time.Time }
	_, _, err := read(t.Context(), sources.Postgres[without]{Pool: pool, Table: "t"}, pipeline.Options{})
	wants(t, err, `table "t": column "date": "infinity"`)
}

func TestPostgresEmptyStringIsNotNull(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id int, s text)`, `INSERT INTO t VALUES (1, ''), (2, NULL), (3, ' ')`)
	type row struct {
		ID int
		S  *string
	}
	got := mustRead(t, sources.Postgres[row]{Pool: pool, Table: "t"})
	if len(got) != 3 || got[0].S == nil || *got[0].S != "" || got[1].S != nil || *got[2].S != " " {
		t.Errorf("got %v", got)
	}
}

func TestPostgresFieldsThatAreLeftOutAreZero(t *testing.T) {
	// Batches are used again: a field without a column must not show an old record's.
	type row struct {
		ID   int
		Note string `db:"-"`
	}
	pool := database(t, `CREATE TABLE t AS SELECT i AS id FROM generate_series(1, 20000) AS i`)
	p := pipeline.New("test", pipeline.Options{})
	bad := 0
	pipeline.To(pipeline.From(p, "read", sources.Postgres[row]{Pool: pool, Table: "t"}), "mark", pipeline.SinkFunc[row](func(ctx context.Context, in *pipeline.Reader[row]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range batch {
				if batch[i].Note != "" {
					bad++
				}
				batch[i].Note = "used"
			}
			in.Recycle(batch)
		}
		return nil
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if bad > 0 {
		t.Errorf("%d records show what another left", bad)
	}
}

func TestPostgresWideRows(t *testing.T) {
	t.Run("of many columns", func(t *testing.T) {
		var columns, values []string
		for i := range 1600 {
			columns = append(columns, fmt.Sprintf("c%d int", i))
			values = append(values, fmt.Sprint(i))
		}
		pool := database(t, `CREATE TABLE t (`+strings.Join(columns, ",")+`)`, `INSERT INTO t VALUES (`+strings.Join(values, ",")+`)`)
		type row struct{ C0, C800, C1599 int }
		want := []row{{0, 800, 1599}}
		if got := mustRead(t, sources.Postgres[row]{Pool: pool, Table: "t"}); !reflect.DeepEqual(got, want) {
			t.Errorf("of the table: got %v", got)
		}
		if got := mustRead(t, sources.Postgres[row]{Pool: pool, Query: "SELECT * FROM t"}); !reflect.DeepEqual(got, want) {
			t.Errorf("of the query: got %v", got)
		}
	})
	t.Run("of many bytes", func(t *testing.T) {
		pool := database(t)
		type row struct {
			ID   int
			Body string
		}
		p := pipeline.New("test", pipeline.Options{})
		source := sources.Postgres[row]{Pool: pool, Query: `SELECT i AS id, repeat(chr(64 + i), 3000000 + i) AS body FROM generate_series(1, 40) AS i`}
		rows, largest := 0, 0
		pipeline.To(pipeline.From(p, "read", source), "look", pipeline.SinkFunc[row](func(ctx context.Context, in *pipeline.Reader[row]) error {
			for batch, err := range in.Batches() {
				if err != nil {
					return err
				}
				largest = max(largest, len(batch))
				for _, r := range batch {
					rows++
					if len(r.Body) != 3000000+r.ID || r.Body[0] != byte(64+r.ID) {
						t.Errorf("row %d holds %d bytes of %q", r.ID, len(r.Body), r.Body[0])
					}
				}
			}
			return nil
		}))
		if _, err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rows != 40 || largest != 1 {
			t.Errorf("%d rows, up to %d in a batch: a batch of large rows must end early", rows, largest)
		}
	})
}

func TestPostgresTypesThatThePoolRegisters(t *testing.T) {
	// What the caller's own pool knows of types is used.
	pool := database(t, `CREATE TYPE pair AS (a int, b text)`, `CREATE TABLE t (p pair)`, `INSERT INTO t VALUES ((1, 'x'))`)
	config := pool.Config().Copy()
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		types, err := conn.LoadTypes(ctx, []string{"pair"})
		if err == nil {
			conn.TypeMap().RegisterTypes(types)
		}
		return err
	}
	own, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	type pair struct {
		A int32
		B string
	}
	type row struct{ P pair }
	got := mustRead(t, sources.Postgres[row]{Pool: own, Table: "t"})
	if want := []row{{pair{1, "x"}}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestPostgresEveryQueryExecMode(t *testing.T) {
	// A pool for PgBouncer, say, has another mode than pgx's default.
	pool := database(t, everyType)
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			config := pool.Config().Copy()
			config.ConnConfig.DefaultQueryExecMode = mode
			own, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			type row struct {
				N    int
				Mood *string
				Pair *string
			}
			if got := mustRead(t, sources.Postgres[row]{Pool: own, Table: "every"}); len(got) != 3 {
				t.Errorf("of the table: got %v", got)
			}
			if got := mustRead(t, sources.Postgres[row]{Pool: own, Query: "SELECT * FROM every WHERE n = ANY ($1)", Args: []any{[]int32{1, 2}}}); len(got) != 2 {
				t.Errorf("of the query: got %v", got)
			}
		})
	}
}
