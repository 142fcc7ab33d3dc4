package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func TestQueryReadsWhatTheRunHasWritten(t *testing.T) {
	pool := itemDB(t)
	p := pipeline.New("test", pipeline.Options{})
	loaded := pipeline.To(pipeline.From(p, "extract", count(30000)), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	type total struct {
		ID   int64
		Name *string
	}
	var all, some int
	pipeline.Do(p, "look", func(ctx context.Context) error {
		for _, err := range sinks.Query[total](ctx, pool, "select id, name, 7 as more from items where id > $1;", -1) {
			if err != nil {
				return err
			}
			all++
		}
		for row, err := range sinks.Query[total](ctx, pool, "select id, name from items order by id") {
			if err != nil {
				return err
			}
			if some++; row.ID == 10 {
				break
			}
		}
		for row, err := range sinks.Query[total](ctx, pool, "select 1::bigint as id, null as name where false") {
			return fmt.Errorf("a row: %v, %w", row, err)
		}
		return nil
	}, pipeline.After(loaded))
	// Another sink loads between the fetches.
	pipeline.To(pipeline.From(p, "beside", count(30000), pipeline.After(loaded)), "load beside", sinks.Postgres[item]{Pool: pool, Table: "others", Create: true})
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all != 30000 || some < 9 || some > 11 {
		t.Errorf("read %d and %d rows", all, some)
	}
}

func TestQueryThatCannotBeRead(t *testing.T) {
	pool := itemDB(t)
	type id struct{ ID int64 }
	for _, test := range []struct {
		sql       string
		args      []any
		want      string
		permanent bool
	}{
		{"select id from nowhere", nil, `relation "nowhere" does not exist`, true},
		{"delete from items", nil, "the statement returns no rows; use Exec", true},
		{"delete from items returning id", nil, "syntax error", true},
		{"select id from items where id = $1", nil, "the statement has 1 parameters, and there are 0 values", true},
		{"select null::bigint as id", nil, `column "id"`, true},
		{"select 'x' as id", nil, `column "id"`, true},
		{"select 1 as other", nil, `there is no column "id"`, true},
		{"select 1 / 0 as id", nil, "division by zero", true},
	} {
		t.Run(test.sql, func(t *testing.T) {
			p := pipeline.New("test", pipeline.Options{})
			pipeline.Do(p, "look", func(ctx context.Context) error {
				for _, err := range sinks.Query[id](ctx, pool, test.sql, test.args...) {
					if err == nil {
						return errors.New("a row came")
					}
					return err
				}
				return errors.New("no row came")
			})
			_, err := p.Run(t.Context())
			contains(t, err, "test: look: ", "sinks.Query: ", test.want)
			if pipeline.IsPermanent(err) != test.permanent {
				t.Errorf("permanent: %v", !test.permanent)
			}
			if n := pool.Stat().AcquiredConns(); n != 0 {
				t.Errorf("%d connections are not given back", n)
			}
		})
	}
	for _, err := range sinks.Query[id](t.Context(), nil, "select 1") {
		contains(t, err, "sinks.Query: the pool is nil")
	}
	for _, err := range sinks.Query[id](t.Context(), devdb.Test(t), "select 1") {
		contains(t, err, "not of a running pipeline")
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct{ name, rule, sql, want string }{
		{"is kept", "none is negative", "select * from items where id < 0", ""},
		{"is broken by one row", "id 7 is missing", "select id, null as note, 'a\"b' as quote from items where id = 7", `test: rule: check "id 7 is missing": 1 row breaks it: (id 7, note NULL, quote "a\"b")`},
		{"is broken by many", "none is there", "select id from items where id > 3 order by id;", `check "none is there": 9996 rows break it: (id 4); (id 5); (id 6); (id 7); (id 8); ...`},
		{"is broken by a long row", "short", "select repeat('x', 10000) as long", `1 row breaks it: (long "xxx`},
		{"is no rule", "odd", "select id from nowhere", `check "odd": relation "nowhere" does not exist`},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool := itemDB(t)
			p := pipeline.New("test", pipeline.Options{Retry: pipeline.Retry{MaxAttempts: 3}})
			loaded := pipeline.To(pipeline.From(p, "extract", count(9999)), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
			pipeline.Do(p, "rule", sinks.Check(pool, test.rule, test.sql), pipeline.After(loaded))
			report, err := p.Run(t.Context())
			rows := one(t, pool, "select count(*)::text from items")
			if test.want == "" {
				if err != nil || rows != "9999" {
					t.Errorf("%v, %s rows", err, rows)
				}
				return
			}
			contains(t, err, test.want)
			if len(err.Error()) > 500 || rows != "0" || report.Attempt != 1 {
				t.Errorf("an error of %d bytes, %s rows are left, attempt %d", len(err.Error()), rows, report.Attempt)
			}
		})
	}
}
