package sinks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

// A type that has no binary form of ours is loaded by its text, in every mode, and what the
// server refuses has its place.
func TestStringsGoIntoColumnsOfAnyTypeAsTheirText(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create type pair as (a int, b text)")
	const columns = "(id bigint primary key, took interval, host inet, bits bit(3), span int4range, words tsvector, price money, duo pair, hosts inet[], at timestamptz)"
	type thing struct {
		ID    int64
		Took  string
		Host  *string
		Bits  string
		Span  string
		Words string
		Price string
		Duo   string
		Hosts []string
		At    time.Time
	}
	host := "10.0.0.1/8"
	good := func(id int64) thing {
		return thing{id, "1 mon", &host, "101", "[1,5)", "a b", "12.50", `(1,"x` + "\t" + `\\")`, []string{"::1"}, time.Date(2024, 2, 29, 1, 2, 3, 4000, time.UTC)}
	}
	bad := good(2)
	bad.Bits = "1011"
	const query = "select concat_ws('|', id, took, host, bits, span, words, price, duo, hosts, at at time zone 'UTC') from items order by id"
	want := "1|1 mon|10.0.0.1/8|101|[1,5)|'a' 'b'|$12.50|(1,\"x\t\\\\\")|{::1}|2024-02-29 01:02:03.000004"
	for _, mode := range []sinks.Mode{sinks.Append, sinks.Replace, sinks.Upsert} {
		t.Run(mode.String(), func(t *testing.T) {
			exec(t, pool, "drop table if exists items, letters; create table items "+columns)
			sink := sinks.Postgres[thing]{Pool: pool, Table: "items", Mode: mode, LockTimeout: time.Minute}
			if mode == sinks.Upsert {
				sink.Keys = []string{"id"}
			}
			_, letters, err := loadWithLetters(t, give(good(1), bad, good(3)), sink, -1)
			if err != nil {
				t.Fatal(err)
			}
			got := rows(t, pool, query)
			if len(got) != 2 || got[0] != want {
				t.Errorf("loaded %q, want %q first", got, want)
			}
			if len(letters) != 1 || !strings.HasPrefix(letters[0], "bits|") {
				t.Errorf("letters: %q", letters)
			}
			_, err = write(t, pipeline.Options{}, give(good(4), bad), pipeline.Sink[thing](sink))
			if err == nil || !strings.Contains(err.Error(), `column "bits"`) || !strings.Contains(err.Error(), "record 2") {
				t.Errorf("without rejects: %v", err)
			}
		})
	}
}

func TestWhatAColumnCannotHoldIsSaidByTheValidation(t *testing.T) {
	pool := devdb.Test(t)
	exec(t, pool, "create table prices (v money); create table spans (v interval(0))")
	type price struct{ V float64 }
	type span struct{ V time.Duration }
	type tree struct{ V struct{ when time.Time } }
	type usDate time.Time
	type dated struct{ V usDate }
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"a float into money":                  {sinks.Postgres[price]{Pool: pool, Table: "prices"}.Validate(t.Context()), `field V (float64): column "v" is money; string would fit`},
		"an interval that rounds":             {sinks.Postgres[span]{Pool: pool, Table: "spans"}.Validate(t.Context()), "rounds what it is given"},
		"a struct that JSON would make empty": {sinks.Postgres[tree]{Pool: pool, Table: "trees", Create: true}.Validate(t.Context()), "no column type follows from it"},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	if _, err := write(t, pipeline.Options{}, give(dated{usDate(time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))}), pipeline.Sink[dated](sinks.Postgres[dated]{Pool: pool, Table: "dates", Create: true})); err != nil {
		t.Fatal(err)
	}
	if got := rows(t, pool, "select pg_typeof(v) || ' ' || (v at time zone 'UTC') from dates"); len(got) != 1 || got[0] != "timestamp with time zone 2024-02-29 00:00:00" {
		t.Errorf("a named time.Time became %q", got)
	}
}
