package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

// Pipelines returns what is known of all definitions of this replica, by name.
func (r *reader) Pipelines(ctx context.Context) ([]PipelineInfo, error) {
	names := slices.Sorted(maps.Keys(r.definitions))
	infos := make([]PipelineInfo, 0, len(names))
	for _, name := range names {
		info, err := r.Pipeline(ctx, name)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// Graphs returns the graph of each definition of this replica, by name. It asks no database.
func (r *reader) Graphs() map[string]pipeline.Graph {
	graphs := map[string]pipeline.Graph{}
	for name, d := range r.definitions {
		graphs[name] = d.graph
	}
	return graphs
}

// lastRuns is how many runs PipelineInfo shows.
const lastRuns = 10

// Pipeline returns what is known of a definition.
//
// Errors: [ErrNotFound].
func (r *reader) Pipeline(ctx context.Context, name string) (PipelineInfo, error) {
	d, err := r.find(name)
	if err != nil {
		return PipelineInfo{}, err
	}
	info := PipelineInfo{
		Name: name, Description: d.Description, Schedule: d.Schedule, MaxActive: d.MaxActive,
		Params: append([]Param{}, d.Params...), Graph: d.graph,
	}
	if d.schedule != nil {
		info.CatchUp = d.CatchUp
	}
	var next *time.Time
	err = r.db.Pool.QueryRow(ctx, r.db.Of(`
select p.paused, p.paused_by, p.next_due,
       (select count(*) from {runs} r where r.pipeline = p.name and r.active),
       (select count(*) from {runs} r where r.pipeline = p.name and r.state = 'queued' and not r.active)
  from {pipelines} p where p.name = $1`), name).Scan(&info.Paused, &info.PausedBy, &next, &info.Active, &info.Waiting)
	if err != nil && !tables.IsNoRows(err) { // not registered yet: it has had no runs either
		return info, trouble("pipeline", err)
	}
	if next != nil && !info.Paused {
		info.NextDue = next.UTC()
	}
	info.LastRuns, err = r.records(ctx, " where r.pipeline = $1 order by r.created_at desc, r.id desc limit $2", name, lastRuns)
	return info, err
}

// Stats returns figures over all replicas.
func (r *reader) Stats(ctx context.Context) (Stats, error) {
	stats := Stats{Runs: map[string]map[State]int64{}}
	var name string
	var state State
	var n int64
	rows, _ := r.db.Pool.Query(ctx, r.db.Of("select pipeline, state, count(*) from {runs} group by pipeline, state"))
	_, err := pgx.ForEachRow(rows, []any{&name, &state, &n}, func() error {
		if stats.Runs[name] == nil {
			stats.Runs[name] = map[State]int64{}
		}
		stats.Runs[name][state] = n
		if state == Queued || state == Retrying || state == Lost {
			stats.Waiting += n
		}
		return nil
	})
	if err != nil {
		return stats, trouble("stats", err)
	}
	var oldest *float64
	err = r.db.Pool.QueryRow(ctx, r.db.Of("select extract(epoch from now() - min(ready_at))::float8 from {runs} where active and state in ('queued', 'lost')")).Scan(&oldest)
	if oldest != nil {
		stats.OldestAge = time.Duration(*oldest * float64(time.Second))
	}
	return stats, trouble("stats", err)
}

// Logs returns lines that a run told, the oldest first; a page ends with the place to go on after in
// LogFilter.After. Lines arrive a fraction of a second after they were told, and keep
// arriving while the run goes on.
//
// Errors: [ErrNotFound]; [ErrInvalid] a negative number.
func (r *reader) Logs(ctx context.Context, id string, f LogFilter) (Page[LogLine], error) {
	none := Page[LogLine]{}
	if err := checkID(id); err != nil {
		return none, err
	}
	limit, err := checkLimit(f.Limit, maxPage)
	switch {
	case err != nil:
		return none, err
	case f.After < 0:
		return none, invalid("after", "after is %d: it cannot be negative", f.After)
	case f.Attempt < 0:
		return none, invalid("attempt", "attempt is %d: it cannot be negative", f.Attempt)
	case !cleantext.Is(f.Stage):
		return none, invalid("stage", "the stage is not UTF-8 text")
	}
	clause, args := "", []any{id, f.After, limit + 1}
	if f.Stage != "" {
		args = append(args, f.Stage)
		clause += fmt.Sprintf(" and stage = $%d", len(args))
	}
	if f.Attempt != 0 {
		args = append(args, f.Attempt)
		clause += fmt.Sprintf(" and attempt = $%d", len(args))
	}
	rows, _ := r.db.Pool.Query(ctx, r.db.Of("select id, at, attempt, stage, level, message, fields, cut from {run_logs} where run_id = $1 and id > $2"+clause+" order by id limit $3"), args...)
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (line LogLine, err error) {
		err = row.Scan(&line.ID, &line.Time, &line.Attempt, &line.Stage, &line.Level, &line.Message, &line.Fields, &line.Cut)
		line.Time = line.Time.UTC()
		return line, err
	})
	if err != nil {
		return none, trouble("logs", err)
	}
	page := Page[LogLine]{Items: lines}
	if len(lines) == 0 && f.After == 0 {
		var there bool
		if err := r.db.Pool.QueryRow(ctx, r.db.Of("select exists (select from {runs} where id = $1)"), id).Scan(&there); err != nil {
			return none, trouble("logs", err)
		}
		if !there {
			return none, notFound("there is no run %s", shown(id))
		}
	}
	if len(lines) > limit {
		page.Items = lines[:limit]
		page.Next = fmt.Sprint(lines[limit-1].ID)
	}
	return page, nil
}

// Rejects returns what the newest attempt that ended has set aside, a page at a time: at
// most limit (by default and at most 500), after the place where the last page ended, 0 for the first.
//
// Errors: [ErrNotFound]; [ErrInvalid] a negative after or limit.
func (r *reader) Rejects(ctx context.Context, id string, after int64, limit int) (RejectPage, error) {
	none := RejectPage{}
	if err := checkID(id); err != nil {
		return none, err
	}
	limit, err := checkLimit(limit, maxPage)
	if err != nil {
		return none, err
	}
	if after < 0 {
		return none, invalid("after", "after is %d: it cannot be negative", after)
	}
	page := RejectPage{Items: []pipeline.Reject{}}
	var reasons []byte
	err = r.db.Pool.QueryRow(ctx, r.db.Of("select rejects, reject_reasons, (select count(*) from {run_rejects} where run_id = $1) from {runs} where id = $1"), id).
		Scan(&page.Total, &reasons, &page.Kept)
	if tables.IsNoRows(err) {
		return none, notFound("there is no run %s", shown(id))
	}
	if err == nil {
		err = json.Unmarshal(reasons, &page.Reasons)
	}
	if err != nil {
		return none, trouble("rejects", err)
	}
	var n int64
	rows, _ := r.db.Pool.Query(ctx, r.db.Of(`select n, stage, source, line, "offset", raw, "column", value, reason, record from {run_rejects} where run_id = $1 and n > $2 order by n limit $3`), id, after, limit+1)
	var reject pipeline.Reject
	var record []byte
	_, err = pgx.ForEachRow(rows, []any{
		&n, &reject.Stage, &reject.Source, &reject.Line, &reject.Offset, &reject.Raw, &reject.Column, &reject.Value, &reject.Reason, &record,
	}, func() error {
		if len(page.Items) == limit {
			page.Next = n - 1
			return nil
		}
		reject.Record = record
		page.Items = append(page.Items, reject)
		return nil
	})
	return page, trouble("rejects", err)
}
