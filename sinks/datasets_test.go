package sinks_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// A source that the graph puts after a sink would see nothing of what that has loaded: it is no silent
// success, whatever way the source names the table.
func TestASourceBehindTheSinkOfItsOwnTableIsRefused(t *testing.T) {
	type row struct{ ID int64 }
	pool := devdb.Test(t)
	for _, sql := range []string{
		`create table plain (id bigint)`, `insert into plain values (1), (2)`, `create view seen as select * from plain`,
		`create table whole (id bigint) partition by range (id)`, `create table part partition of whole for values from (0) to (100)`,
		`create table parent (id bigint)`, `create table child () inherits (parent)`, `create table other (id bigint)`,
		`create schema s`, `create table s.plain (id bigint)`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "out.csv")
	if err := os.WriteFile(file, []byte("ID\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := func(name string) pipeline.Source[row] { return sources.Postgres[row]{Pool: pool, Table: name} }
	query := func(sql string) pipeline.Source[row] { return sources.Postgres[row]{Pool: pool, Query: sql} }
	to := func(name string, mode sinks.Mode) pipeline.Sink[row] {
		return sinks.Postgres[row]{Pool: pool, Table: name, Mode: mode}
	}
	for _, test := range []struct {
		name   string
		source pipeline.Source[row]
		sink   pipeline.Sink[row]
		after  bool
		want   string
	}{
		{"the table", table("plain"), to("plain", sinks.Append), true, "public.plain"},
		{"with its schema", table("public.plain"), to("plain", sinks.Replace), true, "public.plain"},
		{"by a view", table("seen"), to("plain", sinks.Append), true, "public.plain"},
		{"by a query", query("select o.id from other o left join seen using (id)"), to("plain", sinks.Append), true, "public.plain"},
		{"a partition of it", table("part"), to("whole", sinks.Append), true, "public.part"},
		{"the table of the partition", table("whole"), to("part", sinks.Append), true, "public.part"},
		{"the parent", table("parent"), to("child", sinks.Append), true, "public.child"},
		{"a file", sources.CSV[row]{Path: file}, sinks.CSV[row]{Path: filepath.Join(filepath.Dir(file), ".", "out.csv")}, true, file},
		{"files", sources.CSV[row]{Path: filepath.Join(filepath.Dir(file), "*.csv")}, sinks.CSV[row]{Path: file}, true, file},
		{"another table", table("other"), to("plain", sinks.Append), true, ""},
		{"another schema's", table("s.plain"), to("plain", sinks.Append), true, ""},
		{"without After, as it was before the run", table("plain"), to("plain", sinks.Replace), false, ""},
		{"without After, what is truncated", table("plain"), to("plain", sinks.Truncate), false, `which "load" empties`},
		{"without After, a partition of what is truncated", table("part"), to("whole", sinks.Truncate), false, `which "load" empties`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var kept []row
			p := pipeline.New("test", pipeline.Options{})
			load := pipeline.To(pipeline.From(p, "read", query("select 7::bigint as id")), "load", test.sink)
			var options []pipeline.StageOption
			if test.after {
				options = append(options, pipeline.After(load))
			}
			pipeline.To(pipeline.From(p, "again", test.source, options...), "keep", sinks.Slice[row]{Into: &kept})
			err := p.Validate(t.Context())
			switch {
			case test.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), test.want) || !pipeline.IsPermanent(err) || strings.Count(err.Error(), "again") != 1:
				t.Errorf("got %v, want %s once", err, test.want)
			}
		})
	}
}
