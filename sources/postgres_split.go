package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// pgPart is a range of pages, as row addresses: from first on, below limit. An empty
// end is open.
type pgPart struct{ first, limit string }

const (
	// minPartPages is how many pages a part has at least: 512 kB.
	minPartPages = 64
	// partPatience is how long Split waits for each connection after the first.
	partPatience = 2 * time.Second
)

// Split cuts the table into at most n ranges of pages (ctid), with a connection for
// each, all in the snapshot of the first: together they hold every row of one state of
// the table exactly once, whatever is written meanwhile. Each part can be read once.
//
// There are fewer parts if the table is small, or if for some seconds other users of the
// pool leave no connection, or somebody waits to have the table alone. A Query, a view and a
// foreign table have no pages to tell them apart by, and are read in one part.
//
// Since version 14 the server reads only the pages of a part. Version 13 reads the
// whole table for each part and drops the rows of the others: measured on 2M rows in
// memory, that costs the server 1.3 times the work of one lane with two, and 1.7 times
// with four, spread over as many processes. So lanes pay there too, but less.
func (s Postgres[T]) Split(ctx context.Context, n int) ([]pipeline.Source[T], error) {
	r := s.plain()
	if err := r.settings(); err != nil {
		return nil, err
	}
	if r.inRun {
		return nil, pipeline.Permanent(r.at(errors.New("InRun reads through the run's one connection, in one lane; leave Parallel out")))
	}
	if r.table == "" || n < 2 {
		pipeline.LoggerFrom(ctx).Debug("read in one part: a query has no pages to split it by")
		return []pipeline.Source[T]{s}, nil
	}
	span, err := r.span(ctx)
	if err != nil {
		return nil, err
	}
	conns, pages, err := r.openParts(ctx, span, n)
	if err != nil {
		return nil, err
	}
	if len(conns) == 0 {
		return []pipeline.Source[T]{s}, nil
	}
	var parts []pipeline.Source[T]
	for i, conn := range conns {
		part := &postgresPart[T]{source: r, conn: conn, span: span, part: pageRange(pages, i, len(conns))}
		// A part that nobody comes to read, since the run has failed, gives its connection back.
		part.unread = context.AfterFunc(ctx, func() {
			if conn := part.take(); conn != nil {
				r.end(conn)
			}
		})
		parts = append(parts, part)
	}
	return parts, nil
}

// pageRange is part i of n. The first is open below and the last above, so that they
// hold every row whatever the number of pages.
func pageRange(pages int64, i, n int) pgPart {
	at := func(i int) string { return fmt.Sprintf("(%d,0)", pages*int64(i)/int64(n)) }
	var p pgPart
	if i > 0 {
		p.first = at(i)
	}
	if i < n-1 {
		p.limit = at(i + 1)
	}
	return p
}

// openParts begins a transaction for each part, none if the table cannot be split or
// is too small. The first exports its snapshot and is a part like the others, so that no
// connection is there only to hold it. Each has the table's locks.
func (r *pgSource) openParts(ctx context.Context, span pipeline.Range, n int) (conns []*pgxpool.Conn, pages int64, err error) {
	o, err := r.open(ctx, "", span, pgPart{}, nil)
	if err != nil {
		return nil, 0, err
	}
	first := o.conn
	conns = append(conns, first)
	if o.d.empty {
		n = 1
	}
	defer func() {
		if err != nil || len(conns) == 1 {
			for _, c := range conns {
				r.end(c)
			}
			conns = nil
		}
	}()
	var snapshot string
	err = r.during(ctx, first, func(ctx context.Context, _ func()) error {
		var heap bool
		if heap, pages, err = extent(ctx, first.Conn(), o.d.relation); err != nil {
			return err
		}
		if n = min(n, int(pages/minPartPages)); !heap || n < 2 {
			n = 1
			return nil
		}
		return first.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()", pgcatalog.Unnamed).Scan(&snapshot)
	})
	if err != nil {
		return conns, 0, err
	}
	for len(conns) < n {
		// Two runs that wait for each other's connections would wait for ever.
		patient, cancel := context.WithTimeout(ctx, partPatience)
		var more opened
		missing := "the pool has no free connection"
		conn, err := r.acquire(patient)
		if err == nil {
			missing = "a lock on the table is not to be had, for which somebody waits who wants it alone"
			more, err = r.begin(patient, conn, snapshot, span, pgPart{}, nil)
		}
		cancel()
		impatient := errors.Is(err, context.DeadlineExceeded) || isCode(err, lockNotAvailable)
		if err != nil && ctx.Err() == nil && impatient {
			pipeline.LoggerFrom(ctx).Warn("fewer lanes: "+missing, "lanes", len(conns), "wanted", n)
			break
		}
		if err != nil {
			return conns, 0, err
		}
		conns = append(conns, more.conn)
	}
	return conns, pages, nil
}

// extentQuery finds how many pages the largest of a table and its partitions has, and
// whether all are of the built-in kind. A range of addresses holds for each partition by
// itself, so the ranges cover all of them.
const extentQuery = `
WITH RECURSIVE tree AS (
  SELECT $1::text::oid AS oid
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.oid
)
SELECT coalesce(bool_and(c.relkind = 'p' OR c.relkind IN ('r', 'm') AND am.amname = 'heap'), false),
       coalesce(max(CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) END)
         / pg_catalog.current_setting('block_size')::bigint, 0)
FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam`

func extent(ctx context.Context, conn *pgx.Conn, rel *pgRelation) (heap bool, pages int64, err error) {
	err = conn.QueryRow(ctx, extentQuery, pgcatalog.Unnamed, pgcatalog.OIDText(rel.oid)).Scan(&heap, &pages)
	return heap, pages, err
}

// postgresPart reads one range of pages, in a transaction that was begun for it.
type postgresPart[T any] struct {
	source *pgSource
	span   pipeline.Range
	part   pgPart
	unread func() bool // ends the wait for the end of a run that does not come

	mu   sync.Mutex
	conn *pgxpool.Conn // nil once taken
}

func (p *postgresPart[T]) take() *pgxpool.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.conn
	p.conn = nil
	return conn
}

// Extract reads the part.
func (p *postgresPart[T]) Extract(ctx context.Context, out *pipeline.Writer[T]) error {
	p.unread()
	conn := p.take()
	if conn == nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return pipeline.Permanent(p.source.at(errors.New("a part of a split source can be read once")))
	}
	r := *p.source // which parts share
	defer r.end(conn)
	o := opened{conn: conn}
	err := r.during(ctx, conn, func(ctx context.Context, _ func()) (err error) {
		o.d, err = r.describe(ctx, conn.Conn(), p.span, p.part)
		return err
	})
	if err != nil {
		return err
	}
	return extract(ctx, &r, o, out)
}
