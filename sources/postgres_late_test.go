package sources_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// The server rounds a timestamp to the column's precision, down as well as up: a row that
// is committed late holds less than the start of its transaction.
func TestPostgresCommitsThatComeLateAreNeverSkipped(t *testing.T) {
	types := []string{"date", "stamp"}
	for p := range 7 {
		types = append(types, fmt.Sprintf("timestamptz(%d)", p), fmt.Sprintf("timestamp(%d)", p))
	}
	setup := []string{`CREATE DOMAIN stamp AS timestamptz(0)`}
	var insert []string
	for i, typ := range types {
		setup = append(setup, fmt.Sprintf(`CREATE TABLE t%d (id bigint, at %s NOT NULL DEFAULT now())`, i, typ), fmt.Sprintf(`CREATE INDEX ON t%d (at)`, i))
		insert = append(insert, fmt.Sprintf(`INSERT INTO t%d VALUES ($1)`, i))
	}
	pool := database(t, setup...)
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)

	states, seen := make([]*memory, len(types)), make([]map[int64]int, len(types))
	for i := range types {
		states[i], seen[i] = &memory{}, map[int64]int{}
	}
	run := func(oldest bool) {
		for i := range types {
			source := sources.Postgres[event]{Pool: pool, Table: fmt.Sprintf("t%d", i), Cursor: "at", OldestTransaction: oldest}
			if i%3 == 2 {
				source.Table, source.Query = "", "SELECT at, id FROM "+source.Table
			}
			for _, id := range next(t, states[i], source) {
				seen[i][id]++
			}
		}
	}
	type open struct {
		commit func()
		until  time.Time
	}
	var pending []open
	var id int64
	begin := func(lasts time.Duration) {
		id++
		number := id
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		for _, sql := range insert {
			if _, err := tx.Exec(t.Context(), sql, number); err != nil {
				t.Fatal(err)
			}
		}
		pending = append(pending, open{func() {
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, time.Now().Add(lasts)})
	}
	over := time.Now().Add(8 * time.Second)
	if testing.Short() {
		over = time.Now().Add(3 * time.Second)
	}
	for time.Now().Before(over) {
		for range random.IntN(3) {
			lasts := time.Duration(random.IntN(100)) * time.Millisecond
			if random.IntN(3) == 0 {
				lasts = time.Duration(1000+random.IntN(1500)) * time.Millisecond // longer than what is allowed for anyway
			}
			if len(pending) < 2*int(pool.Config().MaxConns)/3-1 {
				begin(lasts)
			}
		}
		pending = slices.DeleteFunc(pending, func(o open) bool {
			if time.Now().After(o.until) {
				o.commit()
				return true
			}
			return false
		})
		run(true)
	}
	for _, o := range pending {
		o.commit()
	}
	early := 0
	for i := range types {
		early += len(seen[i])
	}
	if early == 0 {
		t.Error("nothing was read while transactions were open: the test shows nothing")
	}
	eventually(t, "every row was read", func() bool {
		run(false) // nobody is under way any more; what was rounded up is read when its time has come
		return !slices.ContainsFunc(seen, func(ids map[int64]int) bool { return len(ids) < int(id) })
	})
	for i, ids := range seen {
		for n := int64(1); n <= id; n++ {
			if ids[n] != 1 {
				t.Errorf("%s: row %d of %d was read %d times", types[i], n, id, ids[n])
			}
		}
	}
}

// Nothing could follow such a value: a cursor that stood there would end the reading for good.
func TestPostgresCursorFollowsNoValueThatNothingCanFollow(t *testing.T) {
	pool := database(t, `CREATE DOMAIN stamp AS timestamptz(3)`)
	for _, test := range []struct {
		typ        string
		odd        []string
		some, more string
	}{
		{"timestamptz", []string{"infinity", "9999-12-31", "2199-01-01 00:00"}, "2024-01-01", "now"},
		{"stamp", []string{"infinity", "9999-12-31"}, "2024-01-01", "2024-01-02"},
		{"timestamp(0)", []string{"infinity", "9999-12-31", "294276-12-31 23:59:59"}, "2024-01-01", "2024-01-02"},
		{"date", []string{"infinity", "9999-12-31", "tomorrow"}, "-infinity", "today"},
		{"double precision", []string{"NaN", "Infinity"}, "1", "1.5"},
		{"real", []string{"NaN", "Infinity"}, "-Infinity", "1.5"},
		{"numeric", []string{"NaN"}, "1", "1e300"},
		{"numeric(20,2)", []string{"NaN"}, "1", "1.01"},
		{"smallint", []string{"32767"}, "1", "32766"},
		{"integer", []string{"2147483647"}, "1", "2"},
		{"bigint", []string{"9223372036854775807"}, "1", "2"},
		{"uuid", []string{"ffffffff-ffff-ffff-ffff-ffffffffffff"}, "00000000-0000-0000-0000-000000000000", "fffffffe-ffff-ffff-ffff-ffffffffffff"},
	} {
		for _, odd := range test.odd {
			for _, source := range []sources.Postgres[event]{{Table: "t", Cursor: "at"}, {Query: "SELECT * FROM t WHERE id > $1", Args: []any{0}, Cursor: "at"}} {
				t.Run(test.typ+" "+odd+" in a "+source.Describe(), func(t *testing.T) {
					do(t, pool, `DROP TABLE IF EXISTS t`, `CREATE TABLE t (id bigint, at `+test.typ+`)`)
					source.Pool = pool
					insert := func(id int, value string) { do(t, pool, fmt.Sprintf(`INSERT INTO t VALUES (%d, '%s')`, id, value)) }
					state := &memory{}
					var log bytes.Buffer
					next := func() (ids []int64) {
						t.Helper()
						log.Reset()
						records, _, err := read(t.Context(), source, pipeline.Options{State: state, Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
						if err != nil {
							t.Fatal(err)
						}
						for _, r := range records {
							ids = append(ids, r.ID)
						}
						if !strings.Contains(log.String(), "rows are left to a later run") || !strings.Contains(log.String(), "largest=") {
							t.Errorf("the log does not warn: %s", log.String())
						}
						return ids
					}
					insert(1, odd)
					expect(t, next())
					insert(2, test.some)
					expect(t, next(), 2)
					expect(t, next())
					insert(3, test.more)
					expect(t, next(), 3)
					expect(t, next())
				})
			}
		}
	}
}

func TestPostgresStoredCursorThatNothingCanFollowIsAnError(t *testing.T) {
	pool := database(t, `CREATE TABLE t (id bigint, at timestamptz, x double precision)`, `INSERT INTO t VALUES (1, now(), 1)`)
	for _, test := range []struct{ column, stored, want string }{
		{"at", `{"column":"at","type":"timestamp with time zone","value":"infinity"}`, `table "t": the stored cursor stands at "infinity", and rows that come now would be passed by; delete the cursor`},
		{"at", `{"column":"at","type":"timestamp with time zone","value":"9999-12-31 00:00:00+00"}`, `the stored cursor stands at "9999-12-31 00:00:00+00"`},
		{"x", `{"column":"x","type":"double precision","value":"NaN"}`, `the stored cursor stands at "NaN"`},
		{"id", `{"column":"id","type":"bigint","value":"9223372036854775807"}`, `the stored cursor stands at "9223372036854775807"`},
	} {
		_, err := sources.Postgres[event]{Pool: pool, Table: "t", Cursor: test.column}.Bound(t.Context(), json.RawMessage(test.stored))
		wants(t, err, test.want)
		if !pipeline.IsPermanent(err) {
			t.Error("the error is not permanent")
		}
	}
}
