package sources_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

type event struct {
	ID int64
}

// next runs an incremental pipeline once and returns the ids that it read, sorted.
func next(t testing.TB, state *memory, source pipeline.Source[event], stage ...pipeline.StageOption) []int64 {
	t.Helper()
	records, _, err := read(t.Context(), source, pipeline.Options{State: state}, stage...)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int64{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

func expect(t testing.TB, got []int64, want ...int64) {
	t.Helper()
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
}

func TestPostgresIncremental(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, updated_at timestamptz NOT NULL)`)
	for _, test := range []struct {
		name   string
		source sources.Postgres[event]
	}{
		{"a table", sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "updated_at"}},
		{"a query", sources.Postgres[event]{Pool: pool, Query: "SELECT updated_at, id FROM events WHERE id < $1 -- all\n;\n", Args: []any{1000}, Cursor: "updated_at"}},
		{"a query without parameters", sources.Postgres[event]{Pool: pool, Query: "SELECT * FROM events", Cursor: "updated_at"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			do(t, pool, `TRUNCATE events`)
			state := &memory{}
			expect(t, next(t, state, test.source)) // empty
			expect(t, next(t, state, test.source))
			do(t, pool, `INSERT INTO events VALUES (1, '2024-01-01 00:00:00.000001+00'), (2, '2024-01-01 00:00:00.000002+00')`)
			expect(t, next(t, state, test.source), 1, 2)
			expect(t, next(t, state, test.source))
			do(t, pool, `INSERT INTO events VALUES (3, '2024-01-01 00:00:00.000003+00'), (4, '2023-01-01')`)
			expect(t, next(t, state, test.source), 3) // 4 is before the cursor
			do(t, pool, `UPDATE events SET updated_at = '2024-01-02 00:00:00+05' WHERE id = 1`)
			expect(t, next(t, state, test.source), 1)
			do(t, pool, `DELETE FROM events WHERE id = 1`) // the largest is smaller than the cursor now
			expect(t, next(t, state, test.source))
			do(t, pool, `INSERT INTO events VALUES (5, '2024-01-01 18:00:00+00')`)
			expect(t, next(t, state, test.source)) // the cursor did not go back
			var cursor struct{ Column, Type, Value string }
			if err := json.Unmarshal(state.cursors["read"], &cursor); err != nil {
				t.Fatal(err)
			}
			if cursor.Column != "updated_at" || cursor.Type != "timestamp with time zone" || cursor.Value != "2024-01-01 19:00:00+00" {
				t.Errorf("the cursor is %s", state.cursors["read"])
			}
		})
	}
}

func TestPostgresIncrementalByEveryType(t *testing.T) {
	pool := database(t, `CREATE TYPE stage AS ENUM ('new', 'paid', 'sent', 'done')`, `CREATE DOMAIN code AS integer`)
	for _, test := range []struct {
		typ            string
		a, b, c, d     string
		wantB          string // as stored, when b is the largest
		sessionSetting string
	}{
		{typ: "smallint", a: "-5", b: "7", c: "8", d: "9", wantB: "7"},
		{typ: "serial", a: "1", b: "2", c: "3", d: "4", wantB: "2"},
		{typ: "bigint", a: "9223372036854775800", b: "9223372036854775805", c: "9223372036854775806", d: "9223372036854775806", wantB: "9223372036854775805"},
		{typ: "numeric", a: "0.1", b: "12345678901234567890.000000000000000000001", c: "12345678901234567890.000000000000000000002", d: "1e30", wantB: "12345678901234567890.000000000000000000001"},
		{typ: "double precision", a: "0.1", b: "0.30000000000000004", c: "0.3000000000000001", d: "1e300", wantB: "0.30000000000000004"},
		{typ: "real", a: "0.1", b: "0.2", c: "0.20000002", d: "1", wantB: "0.2"},
		{typ: "text", a: "", b: "it's", c: "it's \u00e4", d: "z", wantB: "it's"},
		{typ: "varchar(10)", a: "a", b: "b", c: "c", d: "d", wantB: "b"},
		{typ: "uuid", a: "00000000-0000-7000-8000-000000000001", b: "00000000-0000-7000-8000-000000000002", c: "00000000-0000-7000-8000-000000000003", d: "f0000000-0000-7000-8000-000000000003", wantB: "00000000-0000-7000-8000-000000000002"},
		{typ: "date", a: "2024-01-31", b: "2024-02-01", c: "2024-12-11", d: "2025-12-11", wantB: "2024-02-01"},
		{typ: "timestamp", a: "-infinity", b: "2024-02-01 10:11:12.123456", c: "2024-02-01 10:11:12.123457", d: "2024-12-11", wantB: "2024-02-01 10:11:12.123456", sessionSetting: "SET DateStyle = 'SQL, DMY'"},
		{typ: "timestamptz", a: "2024-02-01 09:11:12+00", b: "2024-02-01 10:11:12.123456+00", c: "2024-02-01 10:11:12.123457+00", d: "2024-12-11", wantB: "2024-02-01 10:11:12.123456+00", sessionSetting: "SET TimeZone = 'America/St_Johns'; SET DateStyle = 'German'"},
		{typ: "interval", a: "1 day", b: "1 mon 2 days 03:04:05.000006", c: "2 mons", d: "1 year", wantB: "1 mon 2 days 03:04:05.000006", sessionSetting: "SET IntervalStyle = 'iso_8601'"},
		{typ: "time", a: "00:00", b: "10:11:12.000001", c: "10:11:12.000002", d: "24:00", wantB: "10:11:12.000001"},
		{typ: "bytea", a: `\x00`, b: `\x01ff`, c: `\x02`, d: `\xff`, wantB: `\x01ff`},
		{typ: "boolean", a: "f", b: "f", c: "t", d: "t", wantB: "false"},
		{typ: "inet", a: "10.0.0.1", b: "10.0.0.2", c: "10.0.0.3", d: "::1", wantB: "10.0.0.2/32"},
		{typ: "bigint[]", a: "{1}", b: "{1,2}", c: "{1,3}", d: "{2}", wantB: "{1,2}"},
		{typ: "stage", a: "new", b: "paid", c: "sent", d: "done", wantB: "paid"}, // an enum: its own order
		{typ: "code", a: "1", b: "2", c: "3", d: "10", wantB: "2"},               // a domain over integer
	} {
		t.Run(test.typ, func(t *testing.T) {
			do(t, pool, `DROP TABLE IF EXISTS events`, fmt.Sprintf(`CREATE TABLE events (id bigint, c %s NOT NULL)`, test.typ))
			config := pool.Config().Copy()
			config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, test.sessionSetting+";")
				return err
			}
			own, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer own.Close()
			state := &memory{}
			insert := func(id int, value string) {
				do(t, pool, fmt.Sprintf(`INSERT INTO events SELECT %d, $x$%s$x$`, id, value))
			}
			for _, source := range []sources.Postgres[event]{{Pool: own, Table: "events", Cursor: "c"}, {Pool: own, Query: "SELECT * FROM events", Cursor: "c"}} {
				do(t, pool, `TRUNCATE events`)
				clear(state.cursors)
				insert(1, test.a)
				insert(2, test.b)
				expect(t, next(t, state, source), 1, 2)
				var cursor struct{ Value string }
				if err := json.Unmarshal(state.cursors["read"], &cursor); err != nil {
					t.Fatal(err)
				}
				if cursor.Value != test.wantB {
					t.Errorf("the cursor is %q, want %q", cursor.Value, test.wantB)
				}
				insert(3, test.c)
				expect(t, next(t, state, source), 3)
				expect(t, next(t, state, source))
				if test.d != test.c && test.typ != "boolean" {
					insert(4, test.d)
					expect(t, next(t, state, source), 4)
				}
				expect(t, next(t, state, source))
			}
		})
	}
}

func TestPostgresRetryReadsTheSameRange(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint)`, `INSERT INTO events SELECT generate_series(1, 10)`)
	state := &memory{}
	var attempts [][]int64
	p := pipeline.New("test", pipeline.Options{State: state, RunID: "r1", Retry: pipeline.Retry{MaxAttempts: 3, Backoff: time.Millisecond}})
	source := sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "id"}
	pipeline.To(pipeline.From(p, "read", source), "fail", pipeline.SinkFunc[event](func(ctx context.Context, in *pipeline.Reader[event]) error {
		var ids []int64
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			ids = append(ids, r.ID)
		}
		attempts = append(attempts, ids)
		do(t, pool, `INSERT INTO events SELECT max(id) + 1 FROM events`) // not of this run
		if len(attempts) < 3 {
			return errStop
		}
		return nil
	}))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(attempts) != 3 || len(attempts[0]) != 10 || !reflect.DeepEqual(attempts[0], attempts[1]) || !reflect.DeepEqual(attempts[0], attempts[2]) {
		t.Errorf("the attempts read %v", attempts)
	}
	expect(t, next(t, state, source), 11, 12, 13)
}

func TestPostgresIncrementalInLanes(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, note text)`, `INSERT INTO events SELECT i, repeat('x', 100) FROM generate_series(1, 40000) AS i`)
	state := &memory{}
	source := sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "id"}
	if got := next(t, state, source, pipeline.Parallel(3)); len(got) != 40000 || got[0] != 1 || got[39999] != 40000 || len(slices.Compact(got)) != 40000 {
		t.Errorf("read %d", len(got))
	}
	do(t, pool, `INSERT INTO events SELECT i FROM generate_series(40001, 40003) AS i`)
	expect(t, next(t, state, source, pipeline.Parallel(3)), 40001, 40002, 40003)
}

func TestPostgresLag(t *testing.T) {
	for _, test := range []struct {
		typ                   string
		oldest, old, now, far string
	}{
		{"timestamptz", `now() - interval '1 hour'`, `now() - interval '11 minutes'`, `now()`, `now() + interval '1 year'`},
		{"timestamp", `now()::timestamp - interval '1 hour'`, `now()::timestamp - interval '11 minutes'`, `now()::timestamp`, `'infinity'`},
		{"date", `now()::date - 5`, `now()::date - 2`, `now()::date`, `now()::date + 1`},
	} {
		t.Run(test.typ, func(t *testing.T) {
			pool := database(t, `CREATE TABLE events (id bigint, at `+test.typ+`)`)
			source := sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "at", Lag: 10 * time.Minute}
			state := &memory{}
			expect(t, next(t, state, source))
			insert := func(id int, at string) { do(t, pool, fmt.Sprintf(`INSERT INTO events VALUES (%d, %s)`, id, at)) }
			// The margin follows the clock, not the data: what is old enough is read also if
			// nothing newer comes.
			insert(1, test.oldest)
			expect(t, next(t, state, source), 1)
			insert(2, test.old)
			insert(3, test.now)
			insert(4, test.far)
			expect(t, next(t, state, source), 2)
			expect(t, next(t, state, source))
			source.Lag = 0
			expect(t, next(t, state, source), 3) // and 4 once its time has come
		})
	}
}

func TestPostgresOldestTransaction(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, at timestamptz DEFAULT now())`)
	source := sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "at", OldestTransaction: true}
	state := &memory{}
	do(t, pool, `INSERT INTO events VALUES (1, now() - interval '10 s')`)

	late, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Rollback(context.Background()) }()
	if _, err := late.Exec(t.Context(), `INSERT INTO events VALUES (2)`); err != nil {
		t.Fatal(err)
	}
	// Later than the open transaction by its timestamp, and committed before it.
	do(t, pool, `INSERT INTO events VALUES (3)`)
	expect(t, next(t, state, source), 1)
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := next(t, state, source)
	eventually(t, "a second has passed", func() bool { // the margin
		got = append(got, next(t, state, source)...)
		return len(got) >= 2
	})
	slices.Sort(got)
	expect(t, got, 2, 3)
	expect(t, next(t, state, source))
}

func TestPostgresOldestTransactionNeedsTheRight(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, at timestamptz DEFAULT now())`)
	name := role(t, pool)
	do(t, pool, `GRANT SELECT ON events TO `+name)
	source := sources.Postgres[event]{Pool: as(t, pool, name), Table: "events", Cursor: "at", OldestTransaction: true}
	wants(t, source.Validate(t.Context()), `table "events": role "`+name+`" may not see the sessions of others, which OldestTransaction needs; allow it by GRANT pg_read_all_stats TO "`+name+`"`)
	do(t, pool, `GRANT pg_read_all_stats TO `+name)
	if err := source.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPostgresCursorThatCannotBeOne(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, at timestamptz, day date, data json, place point, nothing int)`, `INSERT INTO events VALUES (1, now(), now(), '{}', '(1,2)', NULL)`)
	for _, test := range []struct {
		name   string
		source sources.Postgres[event]
		want   string
	}{
		{"a column that is not there", sources.Postgres[event]{Table: "events", Cursor: "adt"}, `table "events": there is no column "adt" for the cursor; the columns are "id", "at", "day", "data", "place", "nothing"; the nearest is "at"`},
		{"a column that a query does not return", sources.Postgres[event]{Query: "SELECT id FROM events", Cursor: "at"}, `query: there is no column "at" for the cursor; the columns are "id"`},
		{"json", sources.Postgres[event]{Table: "events", Cursor: "data"}, `table "events": column "data", the cursor, is json, which has no order`},
		{"point", sources.Postgres[event]{Table: "events", Cursor: "place"}, `column "place", the cursor, is point, which has no order`},
		{"a query that cannot be a subquery", sources.Postgres[event]{Query: "SELECT id FROM events; -- all", Cursor: "id"}, `query: with a Cursor it is read as a subquery, and it cannot be one: syntax error`},
		{"a lag behind a number", sources.Postgres[event]{Table: "events", Cursor: "id", Lag: time.Second}, `table "events": column "id", the cursor, is bigint, and Lag and OldestTransaction need a timestamp or a date`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.source.Pool = pool
			err := test.source.Validate(t.Context())
			wants(t, err, test.want)
			if !pipeline.IsPermanent(err) {
				t.Error("the error is not permanent")
			}
		})
	}
	t.Run("nulls", func(t *testing.T) {
		_, _, err := read(t.Context(), sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "nothing"}, pipeline.Options{State: &memory{}})
		wants(t, err, `table "events": column "nothing", the cursor, is null in some rows`)
		if !pipeline.IsPermanent(err) {
			t.Error("the error is not permanent")
		}
	})
	t.Run("no State", func(t *testing.T) {
		_, _, err := read(t.Context(), sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "id"}, pipeline.Options{})
		wants(t, err, "set Options.State")
	})
	t.Run("inside of another stage", func(t *testing.T) {
		for _, err := range pipeline.Records(t.Context(), sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "id"}) {
			wants(t, err, "not inside of another stage")
		}
	})
}

func TestPostgresStoredCursorThatDoesNotFit(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, at timestamptz)`)
	for _, test := range []struct{ name, stored, want string }{
		{"of another type", `{"column":"at","type":"bigint","value":"42"}`, `table "events": column "at", the cursor, is timestamp with time zone, and the stored cursor "42" is bigint; delete the cursor`},
		{"of another column", `{"column":"id","type":"bigint","value":"42"}`, `the stored cursor is of column "id", and Cursor is "at" now`},
		{"of another source", `{"files":[]}`, `the stored cursor {"files":[]} is not one of a Postgres source`},
		{"of no known form", `"2024-01-01"`, `the stored cursor "2024-01-01" is not one of a Postgres source`},
		{"of a value that the column refuses", `{"column":"at","type":"timestamp with time zone","value":"soon"}`, `invalid input syntax for type timestamp with time zone: "soon"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := &memory{cursors: map[string]json.RawMessage{"read": json.RawMessage(test.stored)}}
			_, _, err := read(t.Context(), sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "at"}, pipeline.Options{State: state})
			wants(t, err, test.want)
			if !pipeline.IsPermanent(err) {
				t.Error("the error is not permanent")
			}
			if string(state.cursors["read"]) != test.stored {
				t.Errorf("the cursor was changed to %s", state.cursors["read"])
			}
		})
	}
	t.Run("but a wider integer does", func(t *testing.T) {
		do(t, pool, `INSERT INTO events VALUES (41), (42), (43)`)
		state := &memory{cursors: map[string]json.RawMessage{"read": json.RawMessage(`{"column":"id","type":"integer","value":"42"}`)}}
		expect(t, next(t, state, sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "id"}), 43)
	})
}

func TestPostgresBoundIsCancelled(t *testing.T) {
	pool := database(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	source := sources.Postgres[event]{Pool: pool, Query: `SELECT 1::bigint AS id FROM pg_sleep(3600)`, Cursor: "id"}
	failed := make(chan error)
	go func() {
		_, err := source.Bound(ctx, nil)
		failed <- err
	}()
	eventually(t, "the query runs", func() bool {
		return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')`)
	})
	cancel(errStop)
	if err := <-failed; !errors.Is(err, errStop) {
		t.Errorf("got %v", err)
	}
	if n := busy(t, pool); n != 0 {
		t.Errorf("%d server processes are at work", n)
	}
}
