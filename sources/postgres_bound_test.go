package sources_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// warned runs an incremental pipeline once, and returns the ids that it read and what its source warned of.
func warned(t *testing.T, state *memory, source sources.Postgres[event]) (ids []int64, warnings []string) {
	t.Helper()
	records, report, err := read(t.Context(), source, pipeline.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids, report.Stage("read").Warnings
}

func expectWarnings(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("warnings %q, want %q", got, want)
	}
}

func TestPostgresRowsThatTheCursorLeavesBehindAreInTheReport(t *testing.T) {
	pool := database(t, `CREATE TABLE events (id bigint, at timestamptz)`, `INSERT INTO events VALUES (1, '2024-01-01'), (2, 'infinity')`)
	state := &memory{}
	const left = `rows are left to a later run: no cursor can follow a value that no later row could be above column=at largest=infinity`
	for _, want := range [][]int64{{1}, {}} {
		ids, warnings := warned(t, state, sources.Postgres[event]{Pool: pool, Table: "events", Cursor: "at"})
		expect(t, ids, want...)
		expectWarnings(t, warnings, left)
	}
}

func TestPostgresRowsBelowEveryCursorAreInTheReport(t *testing.T) {
	types := map[string][3]string{ // the lowest, one that is followed, one after it
		"timestamptz": {"-infinity", "2024-01-01", "2024-01-02"}, "timestamp(3)": {"-infinity", "2024-01-01", "2024-01-02"},
		"date": {"-infinity", "2024-01-01", "2024-01-02"}, "real": {"-Infinity", "1", "2"}, "double precision": {"-Infinity", "1", "2"},
	}
	pool := database(t, `CREATE DOMAIN stamp AS timestamptz`)
	types["stamp"] = types["timestamptz"]
	version := one[int](t, pool, `SELECT current_setting('server_version_num')::int / 10000`)
	if version >= 14 {
		types["numeric"] = types["real"]
	}
	if version >= 17 {
		types["interval"] = [3]string{"-infinity", "1 day", "2 days"}
	}
	for typ, values := range types {
		for _, source := range []sources.Postgres[event]{
			{Pool: pool, Table: "t", Cursor: "at"}, {Pool: pool, Query: "SELECT * FROM t WHERE id > $1", Args: []any{0}, Cursor: "at"},
		} {
			t.Run(typ+" in a "+source.Describe(), func(t *testing.T) {
				do(t, pool, `DROP TABLE IF EXISTS t`, `CREATE TABLE t (id bigint, at `+typ+`)`)
				insert := func(id int, value string) { do(t, pool, fmt.Sprintf(`INSERT INTO t VALUES (%d, '%s')`, id, value)) }
				state := &memory{}
				unread := "rows with " + values[0] + " are never read after the first run; leave them out by a Query column=at"
				insert(1, values[0])
				insert(2, values[1])
				ids, warnings := warned(t, state, source)
				expect(t, ids, 1, 2) // the first run reads all
				expectWarnings(t, warnings)
				insert(3, values[0])
				ids, warnings = warned(t, state, source)
				expect(t, ids)
				expectWarnings(t, warnings, unread)
				insert(4, values[2])
				ids, warnings = warned(t, state, source)
				expect(t, ids, 4)
				expectWarnings(t, warnings, unread)
				do(t, pool, `DELETE FROM t WHERE id IN (1, 3)`)
				ids, warnings = warned(t, state, source)
				expect(t, ids)
				expectWarnings(t, warnings)
			})
		}
	}
}

// On 27 October 2024 the clocks of Berlin went from 03:00 back to 02:00 at 01:00 UTC. A Lag takes the clock back there.
func TestPostgresCursorWithoutAZoneWaitsWhileClocksShowAnHourTwice(t *testing.T) {
	type row struct {
		at   string // what the clock showed
		when string // in UTC
	}
	rows := []row{
		{"01:30", "2024-10-26 23:30:00"}, {"01:59:59.999999", "2024-10-26 23:59:59.999999"},
		{"02:10", "2024-10-27 00:10:00"}, {"02:50", "2024-10-27 00:50:00"}, // summer time
		{"02:05", "2024-10-27 01:05:00"}, {"02:40", "2024-10-27 01:40:00"}, // winter time
		{"03:00", "2024-10-27 02:00:00"}, {"03:30", "2024-10-27 02:30:00"},
	}
	database := devdb.Test(t)
	pool := with(t, database, map[string]string{"timezone": "Europe/Berlin"})
	for _, typ := range []string{"timestamp", "timestamp(0)", "timestamp(3)"} {
		for _, source := range []sources.Postgres[event]{{Pool: pool, Table: "t", Cursor: "at"}, {Pool: pool, Table: "t", Cursor: "at", OldestTransaction: true}} {
			t.Run(fmt.Sprint(typ, " ", source.OldestTransaction), func(t *testing.T) {
				do(t, database, `DROP TABLE IF EXISTS t`, `CREATE TABLE t (id bigint, at `+typ+`)`)
				state := &memory{}
				seen := map[int64]int{}
				written := 0
				// A run each five minutes and one second, before which the rows of the time between are written.
				for clock := time.Date(2024, 10, 26, 23, 0, 1, 0, time.UTC); clock.Day() < 28 && clock.Hour() != 4; clock = clock.Add(301 * time.Second) {
					for written < len(rows) {
						if when, err := time.Parse(time.DateTime, rows[written].when); err != nil || when.After(clock) {
							break
						}
						do(t, database, fmt.Sprintf(`INSERT INTO t VALUES (%d, '2024-10-27 %s')`, written, rows[written].at))
						written++
					}
					source.Lag = time.Since(clock)
					ids, _ := warned(t, state, source)
					for _, id := range ids {
						seen[id]++
						if clock.Before(time.Date(2024, 10, 27, 1, 0, 0, 0, time.UTC)) && strings.HasPrefix(rows[id].at, "02") {
							t.Errorf("at %v the row of %s was read, whose hour comes again", clock, rows[id].at)
						}
					}
				}
				if written != len(rows) {
					t.Fatalf("%d rows were written", written)
				}
				for id, r := range rows {
					if seen[int64(id)] != 1 {
						t.Errorf("the row of %s (%s UTC) was read %d times", r.at, r.when, seen[int64(id)])
					}
				}
			})
		}
	}
}

// Where clocks are set back over midnight a day begins twice.
func TestPostgresCursorOfDatesWaitsForADayThatEndsTwice(t *testing.T) {
	base := devdb.Test(t)
	for _, test := range []struct {
		zone, clock string
		want        []int64
	}{
		{"America/St_Johns", "2010-11-07 02:30:30", []int64{1}},    // it is 00:00:30 on the 7th, and at 00:01 it is 23:01 on the 6th
		{"America/St_Johns", "2010-11-07 03:32:00", []int64{1, 2}}, // it is 00:02, for good
		{"Atlantic/Azores", "2024-10-27 00:30:00", []int64{1, 2}},  // it is 00:30 on the 27th, and at 01:00 it is 00:00
	} {
		t.Run(test.zone+" "+test.clock, func(t *testing.T) {
			pool := with(t, base, map[string]string{"timezone": test.zone})
			clock, err := time.Parse(time.DateTime, test.clock)
			if err != nil {
				t.Fatal(err)
			}
			day := clock.Format(time.DateOnly)
			do(t, base, `DROP TABLE IF EXISTS t`, `CREATE TABLE t (id bigint, at date)`,
				fmt.Sprintf(`INSERT INTO t VALUES (1, date '%s' - 2), (2, date '%s' - 1), (3, date '%s')`, day, day, day))
			ids, _ := warned(t, &memory{}, sources.Postgres[event]{Pool: pool, Table: "t", Cursor: "at", Lag: time.Since(clock)})
			expect(t, ids, test.want...)
		})
	}
}
