package pgunit_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/internal/pgunit"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

type row struct {
	ID   int64
	Text string
}

// narrow is a sink that passes on each row as a chunk of its own: with a queue of
// one byte it holds up its input as soon as one row waits for a turn.
type narrow struct {
	pool  *pgxpool.Pool
	table string
}

func (n narrow) Load(ctx context.Context, in *pipeline.Reader[row]) error {
	unit, err := pgunit.Join(ctx, n.pool)
	if err != nil {
		return err
	}
	encoder, err := pgcodec.NewEncoder[row]([]pgcodec.Column{{Name: "id", OID: 20}, {Name: "text", OID: 25}}, nil)
	if err != nil {
		return err
	}
	c := unit.StartCopy(ctx, pgunit.CopyTarget{Label: n.table, Table: []string{n.table}, Columns: []string{"id", "text"}})
	for batch, err := range in.Batches() {
		if err != nil {
			c.Abort(err)
			return err
		}
		for i := range batch {
			tuple, err := encoder.Append(c.Buffer(), &batch[i])
			if err == nil {
				err = c.Put(ctx, tuple, 1)
			}
			if err != nil {
				c.Abort(err)
				return err
			}
		}
	}
	return c.Close()
}

func numbered(n int) pipeline.SourceFunc[row] {
	return func(ctx context.Context, out *pipeline.Writer[row]) error {
		for i := range n {
			if err := out.Write(row{ID: int64(i), Text: fmt.Sprintf("row %d", i)}); err != nil {
				return err
			}
		}
		return nil
	}
}

func tables(t testing.TB, pool *pgxpool.Pool, names ...string) {
	t.Helper()
	for _, n := range names {
		exec(t, pool, "create table "+n+" (id bigint, text text)")
	}
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func one(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (s string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// soon is a context that ends long before the test's own limit: a run that hangs is
// an error with a place.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func tiny(t testing.TB) {
	pgunit.Limits(t, 1, 30*time.Second, 5*time.Second, 30*time.Second, 20*time.Second, time.Minute)
}

func TestATeeIntoSinksOfOnePoolDoesNotHang(t *testing.T) {
	tiny(t)
	const n = 500
	for _, o := range []pipeline.Options{{BatchSize: 1, Buffer: 1}, {BatchSize: 7, Buffer: 1}, {BatchSize: 64, Buffer: 2}} {
		t.Run(fmt.Sprintf("batches of %d", o.BatchSize), func(t *testing.T) {
			pool := devdb.Test(t)
			tables(t, pool, "a", "b", "c", "d")
			p := pipeline.New("test", o)
			in := pipeline.From(p, "extract", numbered(n))
			pipeline.To(in, "a", narrow{pool, "a"})
			pipeline.To(in, "b", narrow{pool, "b"})
			pipeline.To(in, "c", narrow{pool, "c"})
			// A branch that gives nothing until its end, and one behind it.
			held := pipeline.Via(in, "hold", pipeline.TransformFunc[row, row](func(ctx context.Context, in *pipeline.Reader[row], out *pipeline.Writer[row]) error {
				var all []row
				for r, err := range in.All() {
					if err != nil {
						return err
					}
					all = append(all, r)
				}
				return out.WriteBatch(all)
			}))
			pipeline.To(held, "d", narrow{pool, "d"})
			pipeline.Do(p, "beside", sinks.Exec(pool, "select count(*) from a"))
			if _, err := p.Run(soon(t)); err != nil {
				t.Fatal(err)
			}
			if got, want := one(t, pool, "select concat_ws(' ', (select count(*) from a), (select count(distinct id) from b), (select count(*) from c), (select sum(id) from d))"), fmt.Sprint(n, n, n, n*(n-1)/2); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// The sink of the rejects waits for a turn while the sinks before it hold the
// connection and reject.
func TestRejectsIntoTheSamePoolDoNotHang(t *testing.T) {
	tiny(t)
	type letter struct{ Stage, Reason string }
	const n = 3000
	pool := devdb.Test(t)
	tables(t, pool, "a", "b", "c")
	exec(t, pool, "alter table a add check (id % 100 <> 3); alter table b add check (id % 100 <> 5); create table letters (stage text, reason text)")
	p := pipeline.New("test", pipeline.Options{BatchSize: 1, Buffer: 1, MaxRejects: -1})
	in := pipeline.From(p, "extract", pipeline.SourceFunc[row](func(ctx context.Context, out *pipeline.Writer[row]) error {
		for i := range n {
			if err := out.Write(row{ID: int64(i), Text: strings.Repeat("x", 500)}); err != nil {
				return err
			}
			if i%50 == 0 {
				if err := out.Reject(pipeline.Reject{Reason: "every fiftieth"}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	pipeline.To(in, "a", sinks.Postgres[row]{Pool: pool, Table: "a"})
	pipeline.To(in, "b", sinks.Postgres[row]{Pool: pool, Table: "b"})
	pipeline.To(in, "c", narrow{pool, "c"})
	letters := pipeline.Via(pipeline.Rejects(p), "letter", pipeline.TransformFunc[pipeline.Reject, letter](func(ctx context.Context, in *pipeline.Reader[pipeline.Reject], out *pipeline.Writer[letter]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			if err := out.Write(letter{r.Stage, r.Reason}); err != nil {
				return err
			}
		}
		return nil
	}))
	pipeline.To(letters, "letters", sinks.Postgres[letter]{Pool: pool, Table: "letters"})
	if _, err := p.Run(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got, want := one(t, pool, "select concat_ws(' ', (select count(*) from a), (select count(*) from b), (select count(*) from c), (select count(*) from letters))"), fmt.Sprint(n-n/100, n-n/100, n, 2*n/100+n/50); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A sink holds a COPY open and waits for input that only comes when somebody else
// has had the connection.
func TestAnIdleCopyGivesUpItsTurn(t *testing.T) {
	tiny(t)
	pool := devdb.Test(t)
	tables(t, pool, "a", "b")
	p := pipeline.New("test", pipeline.Options{BatchSize: 1})
	stepped := make(chan struct{})
	in := pipeline.From(p, "extract", pipeline.SourceFunc[row](func(ctx context.Context, out *pipeline.Writer[row]) error {
		for i := range 10 {
			if err := out.Write(row{ID: int64(i)}); err != nil {
				return err
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
		select {
		case <-stepped:
		case <-ctx.Done():
			return ctx.Err()
		}
		return out.Write(row{ID: 10})
	}))
	pipeline.To(in, "load", narrow{pool, "a"})
	pipeline.Do(p, "step", func(ctx context.Context) error {
		for deadline := time.Now().Add(30 * time.Second); ; {
			if one(t, pool, "select count(*)::text from pg_stat_activity where datname = current_database() and state = 'active' and query ilike 'copy%'") == "1" {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("no COPY is open")
			}
		}
		defer close(stepped)
		// The rows of the COPY that was ended are there for the step to see.
		return sinks.Exec(pool, "insert into b select * from a")(ctx)
	})
	if _, err := p.Run(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := one(t, pool, "select concat_ws(' ', (select count(*) from a), (select count(*) > 0 from b))"); got != "11 t" {
		t.Errorf("got %s", got)
	}
}

// While nobody else wants the connection there is one COPY, however slowly its rows
// come.
func TestASinkThatIsAloneKeepsOneStream(t *testing.T) {
	tiny(t)
	pool := devdb.Test(t)
	tables(t, pool, "a")
	exec(t, pool, `create table statements (n int);
create function note() returns trigger language plpgsql as $$ begin insert into statements values (1); return null; end $$;
create trigger note after insert on a for each statement execute function note()`)
	p := pipeline.New("test", pipeline.Options{BatchSize: 1, Buffer: 1})
	pipeline.To(pipeline.From(p, "extract", pipeline.SourceFunc[row](func(ctx context.Context, out *pipeline.Writer[row]) error {
		for i := range 20 {
			if err := out.Write(row{ID: int64(i)}); err != nil {
				return err
			}
			if err := out.Flush(); err != nil {
				return err
			}
			if i%10 == 5 { // longer than an idle Read
				select {
				case <-time.After(60 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
		return nil
	})), "load", narrow{pool, "a"})
	if _, err := p.Run(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := one(t, pool, "select concat_ws(' ', (select count(*) from a), (select count(*) from statements))"); got != "20 1" {
		t.Errorf("rows and COPYs: %s", got)
	}
}
