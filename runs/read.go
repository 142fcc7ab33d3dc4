package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

// columns are those of a record without its report. The last tells a run that waits for
// a place what of: the oldest active run, how many are active, how many may be, and what
// its backfill allows.
const columns = `
r.id, r.pipeline, r.state, r.reason, r.attempt, r.logical_date, r.params, r.cause, r.by, r.backfill, r.worker,
r.created_at, r.started_at, r.ended_at, r.next_attempt_at, r.error, r.rejects, r.version,
case when r.state = 'queued' and not r.active then
    (select json_build_array(min(a.id::text), count(*),
            (select p.max_active from {pipelines} p where p.name = r.pipeline),
            (select b.parallel from {backfills} b where b.id = r.backfill))
       from {runs} a where a.pipeline = r.pipeline and a.active)
end`

// row is a record with what is only known inside.
type row struct {
	Record
	version int64
}

// targets are what columns are scanned into; finish completes the row afterwards.
func (r *row) targets() (targets []any, finish func() error) {
	var backfill *string
	var started, ended, next *time.Time
	var params, waits []byte
	targets = []any{
		&r.ID, &r.Pipeline, &r.State, &r.Reason, &r.Attempt, &r.LogicalDate, &params, &r.Cause, &r.By, &backfill, &r.Worker,
		&r.CreatedAt, &started, &ended, &next, &r.Error, &r.Rejects, &r.version, &waits,
	}
	return targets, func() error {
		if backfill != nil {
			r.Backfill = *backfill
		}
		r.LogicalDate, r.CreatedAt = r.LogicalDate.UTC(), r.CreatedAt.UTC()
		for _, t := range []struct {
			to   *time.Time
			from *time.Time
		}{{&r.StartedAt, started}, {&r.EndedAt, ended}, {&r.NextAttemptAt, next}} {
			if t.from != nil {
				*t.to = t.from.UTC()
			}
		}
		if waits != nil {
			reason, err := whyWaiting(waits)
			if err != nil {
				return err
			}
			if r.Reason != "" { // how it came to wait once more
				reason = r.Reason + "; " + reason
			}
			r.Reason = reason
		} else if r.State == Queued && r.Reason == "" {
			r.Reason = "waits for a free worker"
		}
		return json.Unmarshal(params, &r.Params)
	}
}

// whyWaiting says in words what a run without a place waits for.
func whyWaiting(document []byte) (string, error) {
	var oldest *string
	var active int
	var most, parallel *int
	if err := json.Unmarshal(document, &[]any{&oldest, &active, &most, &parallel}); err != nil {
		return "", err
	}
	switch {
	case oldest == nil || most == nil:
		return "waits for its turn", nil
	case active < *most && parallel != nil:
		return fmt.Sprintf("waits for its backfill, of which %d may run at once", *parallel), nil
	case *most == 1:
		return fmt.Sprintf("waits for run %s: one active run at a time", *oldest), nil
	}
	return fmt.Sprintf("waits for run %s or another of %d: at most %d active runs at a time", *oldest, active, *most), nil
}

// records returns those that a clause chooses.
func (s *Service) records(ctx context.Context, clause string, args ...any) ([]Record, error) {
	rows, _ := s.pool.Query(ctx, s.db.Of("select "+columns+" from {runs} r"+clause), args...)
	found, err := pgx.CollectRows(rows, func(scanned pgx.CollectableRow) (Record, error) {
		var r row
		targets, finish := r.targets()
		if err := scanned.Scan(targets...); err != nil {
			return r.Record, err
		}
		return r.Record, finish()
	})
	return found, s.trouble("list", err)
}

// snapshots returns runs with their reports as they are now, by ID.
func (s *Service) snapshots(ctx context.Context, ids []string) (map[string]Snapshot, error) {
	rows, _ := s.pool.Query(ctx, s.db.Of("select "+columns+`, case when r.state = 'running' then coalesce(p.report, r.report) else r.report end, coalesce(p.tick, 0)
  from {runs} r left join {run_progress} p on p.run_id = r.id and p.attempt = r.attempt and r.state = 'running'
 where r.id = any($1)`), ids)
	found := map[string]Snapshot{}
	var report []byte
	var tick int64
	for rows.Next() {
		var r row
		targets, finish := r.targets()
		if err := rows.Scan(append(targets, &report, &tick)...); err != nil {
			rows.Close()
			return nil, s.trouble("read", err)
		}
		if err := finish(); err != nil {
			rows.Close()
			return nil, s.trouble("read", err)
		}
		if report != nil {
			r.Report = new(pipeline.Report)
			if err := json.Unmarshal(report, r.Report); err != nil {
				rows.Close()
				return nil, s.trouble("read", fmt.Errorf("the report of run %s: %w", r.ID, err))
			}
		}
		found[r.ID] = Snapshot{Seq: sequence(r.version, tick), Record: r.Record}
	}
	return found, s.trouble("read", rows.Err())
}

// sequence orders the moments of a run: changes of its row, and within one the progress of the
// attempt.
func sequence(version, tick int64) int64 { return version<<24 | min(tick, 1<<24-1) }

// Get returns a run, with its report and its attempts.
//
// Errors: [ErrNotFound].
func (s *Service) Get(ctx context.Context, id string) (Record, error) {
	if err := checkID(id); err != nil {
		return Record{}, err
	}
	found, err := s.snapshots(ctx, []string{id})
	if err != nil {
		return Record{}, err
	}
	one, ok := found[id]
	if !ok {
		return Record{}, notFound("there is no run %s", shown(id))
	}
	rows, _ := s.pool.Query(ctx, s.db.Of("select attempt, state, reason, worker, started_at, ended_at, error from {run_attempts} where run_id = $1 order by attempt"), id)
	one.Record.Attempts, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (a Attempt, err error) {
		var ended *time.Time
		err = r.Scan(&a.Attempt, &a.State, &a.Reason, &a.Worker, &a.StartedAt, &ended, &a.Error)
		a.StartedAt = a.StartedAt.UTC()
		if ended != nil {
			a.EndedAt = ended.UTC()
		}
		return a, err
	})
	return one.Record, s.trouble("get", err)
}

// The sizes of a page.
const (
	defaultPage = 50
	maxPage     = 500
)

// List returns runs, the newest first, a page at a time: limit of them, by default 50, at most
// 500. token is empty for the first page, and then Page.Next of the page before, with the
// same filter.
//
// Errors: [ErrInvalid] a token that this history has not given, or not for this filter; an unknown
// state; a negative limit.
func (s *Service) List(ctx context.Context, f Filter, limit int, token string) (Page[Record], error) {
	none := Page[Record]{}
	limit, err := checkLimit(limit, defaultPage)
	if err != nil {
		return none, err
	}
	var conditions []string
	var args []any
	where := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.Pipeline != "" {
		where("r.pipeline = $%d", f.Pipeline)
	}
	if f.Backfill != "" {
		if checkID(f.Backfill) != nil {
			return none, invalid("backfill", "there is no backfill %s", shown(f.Backfill))
		}
		where("r.backfill = $%d", f.Backfill)
	}
	if len(f.States) > 0 {
		var states []string
		for _, state := range f.States {
			if !state.known() {
				return none, invalid("state", "there is no state %s", shown(string(state)))
			}
			states = append(states, string(state))
		}
		where("r.state = any($%d)", states)
	}
	if !tables.Keeps(f.Pipeline) {
		return none, invalid("pipeline", "the name is not UTF-8 text")
	}
	if token != "" {
		from, err := s.openToken(ctx, token, f)
		if err != nil {
			return none, err
		}
		args = append(args, from.CreatedAt, from.ID)
		conditions = append(conditions, fmt.Sprintf("(r.created_at, r.id) < ($%d, $%d)", len(args)-1, len(args)))
	}
	clause := ""
	if len(conditions) > 0 {
		clause = " where " + strings.Join(conditions, " and ")
	}
	args = append(args, limit+1)
	found, err := s.records(ctx, clause+fmt.Sprintf(" order by r.created_at desc, r.id desc limit $%d", len(args)), args...)
	if err != nil {
		return none, err
	}
	page := Page[Record]{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		page.Next, err = s.sealToken(ctx, place{CreatedAt: found[limit-1].CreatedAt, ID: found[limit-1].ID}, f)
	}
	return page, err
}

func (s State) known() bool {
	for _, k := range States() {
		if s == k {
			return true
		}
	}
	return false
}

func checkLimit(limit, byDefault int) (int, error) {
	if limit < 0 {
		return 0, invalid("limit", "limit is %d: it cannot be negative", limit)
	}
	if limit == 0 {
		limit = byDefault
	}
	return min(limit, maxPage), nil
}
