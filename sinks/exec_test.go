package sinks_test

import (
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func TestExecRunsInTheTransactionOfTheRows(t *testing.T) {
	pool := itemDB(t)
	exec(t, pool, "create table totals (n bigint, pid integer); create table pids (pid integer)")
	p := pipeline.New("test", pipeline.Options{})
	loaded := pipeline.To(pipeline.From(p, "extract", count(10)), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	summed := pipeline.Do(p, "sum", sinks.Exec(pool, "insert into totals select sum(id), pg_backend_pid() from items where id > $1", 5), pipeline.After(loaded))
	pipeline.Do(p, "several", sinks.Exec(pool, "insert into pids select pid from totals; update totals set n = n + 1"), pipeline.After(summed))
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, pool, "select n::text from totals join pids using (pid)"); got != "41" {
		t.Errorf("got %s", got)
	}
}

func TestAStatementThatFailsUndoesTheRows(t *testing.T) {
	pool := itemDB(t)
	p := pipeline.New("test", pipeline.Options{})
	loaded := pipeline.To(pipeline.From(p, "extract", count(10)), "load", sinks.Postgres[item]{Pool: pool, Table: "items"})
	pipeline.Do(p, "divide", sinks.Exec(pool, "select 1 / (count(*) - 10) from items"), pipeline.After(loaded))
	_, err := p.Run(t.Context())
	contains(t, err, "test: divide: ", "division by zero", "22012")
	if got := snapshot(t, pool); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestAStatementMayNotEndTheTransaction(t *testing.T) {
	pool := itemDB(t)
	for _, sql := range []string{"commit", "rollback", "select 1; commit; select 2"} {
		p := pipeline.New("test", pipeline.Options{})
		pipeline.Do(p, "end", sinks.Exec(pool, sql))
		_, err := p.Run(t.Context())
		contains(t, err, "ended the run's transaction")
		if !pipeline.IsPermanent(err) {
			t.Errorf("%s: worth another try?", sql)
		}
	}
}

func TestExecWithoutAPoolOrARun(t *testing.T) {
	p := pipeline.New("test", pipeline.Options{})
	pipeline.Do(p, "nothing", sinks.Exec(nil, "select 1"))
	_, err := p.Run(t.Context())
	contains(t, err, "the pool is nil")
	contains(t, sinks.Exec(devdb.Test(t), "select 1")(t.Context()), "not of a running pipeline")
}
