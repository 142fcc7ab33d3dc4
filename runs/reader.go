package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/queue"
	"github.com/millrace/millrace/runs/internal/tables"
	"github.com/millrace/millrace/runs/internal/watch"
)

// reader is the half of a service that only reads, and speaks the public types. It needs no start.
type reader struct {
	db          *tables.DB
	definitions map[string]*definition
	pageKey     atomic.Pointer[[]byte]
}

// find returns a definition of this replica.
func (r *reader) find(name string) (*definition, error) {
	d, ok := r.definitions[name]
	if !ok {
		return nil, notFound("there is no pipeline %s", shown(name))
	}
	return d, nil
}

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
func (r *reader) records(ctx context.Context, clause string, args ...any) ([]Record, error) {
	rows, _ := r.db.Pool.Query(ctx, r.db.Of("select "+columns+" from {runs} r"+clause), args...)
	found, err := pgx.CollectRows(rows, func(scanned pgx.CollectableRow) (Record, error) {
		var one row
		targets, finish := one.targets()
		if err := scanned.Scan(targets...); err != nil {
			return one.Record, err
		}
		return one.Record, finish()
	})
	return found, trouble("list", err)
}

// snapshots returns runs with their reports as they are now, by ID.
func (r *reader) snapshots(ctx context.Context, ids []string) (map[string]watch.Item[Record], error) {
	rows, _ := r.db.Pool.Query(ctx, r.db.Of("select "+columns+`, case when r.state = 'running' then coalesce(p.report, r.report) else r.report end, coalesce(p.tick, 0)
  from {runs} r left join {run_progress} p on p.run_id = r.id and p.attempt = r.attempt and r.state = 'running'
 where r.id = any($1)`), ids)
	all, err := pgx.CollectRows(rows, func(scanned pgx.CollectableRow) (item watch.Item[Record], err error) {
		var one row
		var report []byte
		var tick int64
		targets, finish := one.targets()
		if err := scanned.Scan(append(targets, &report, &tick)...); err != nil {
			return item, err
		}
		if err := finish(); err != nil {
			return item, err
		}
		if report != nil {
			one.Report = new(pipeline.Report)
			if err := json.Unmarshal(report, one.Report); err != nil {
				return item, fmt.Errorf("the report of run %s: %w", one.ID, err)
			}
		}
		return watch.Item[Record]{Seq: sequence(one.version, tick), Value: one.Record}, nil
	})
	found := map[string]watch.Item[Record]{}
	for _, item := range all {
		found[item.Value.ID] = item
	}
	return found, trouble("read", err)
}

// sequence orders the moments of a run: changes of its row, and within one the progress of the
// attempt.
func sequence(version, tick int64) int64 { return version<<24 | min(tick, 1<<24-1) }

// Get returns a run, with its report and its attempts.
//
// Errors: [ErrNotFound].
func (r *reader) Get(ctx context.Context, id string) (Record, error) {
	if err := checkID(id); err != nil {
		return Record{}, err
	}
	found, err := r.snapshots(ctx, []string{id})
	if err != nil {
		return Record{}, err
	}
	item, ok := found[id]
	if !ok {
		return Record{}, notFound("there is no run %s", shown(id))
	}
	one := item.Value
	rows, _ := r.db.Pool.Query(ctx, r.db.Of("select attempt, state, reason, worker, started_at, ended_at, error from {run_attempts} where run_id = $1 order by attempt"), id)
	one.Attempts, err = pgx.CollectRows(rows, func(scanned pgx.CollectableRow) (a Attempt, err error) {
		var ended *time.Time
		err = scanned.Scan(&a.Attempt, &a.State, &a.Reason, &a.Worker, &a.StartedAt, &ended, &a.Error)
		a.StartedAt = a.StartedAt.UTC()
		if ended != nil {
			a.EndedAt = ended.UTC()
		}
		return a, err
	})
	return one, trouble("get", err)
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
func (r *reader) List(ctx context.Context, f Filter, limit int, token string) (Page[Record], error) {
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
			if !slices.Contains(States(), state) {
				return none, invalid("state", "there is no state %s", shown(string(state)))
			}
			states = append(states, string(state))
		}
		where("r.state = any($%d)", states)
	}
	if !cleantext.Is(f.Pipeline) {
		return none, invalid("pipeline", "the name is not UTF-8 text")
	}
	if token != "" {
		from, err := r.openToken(ctx, token, f)
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
	found, err := r.records(ctx, clause+fmt.Sprintf(" order by r.created_at desc, r.id desc limit $%d", len(args)), args...)
	if err != nil {
		return none, err
	}
	page := Page[Record]{Items: found}
	if len(found) > limit {
		page.Items = found[:limit]
		page.Next, err = r.sealToken(ctx, place{CreatedAt: found[limit-1].CreatedAt, ID: found[limit-1].ID}, f)
	}
	return page, err
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

// checkID refuses what cannot be a run's ID without asking the database.
func checkID(id string) error {
	if !queue.IsID(id) {
		return notFound("there is no run %s", shown(id))
	}
	return nil
}

// Watch returns what happens to a run from now on, whatever replica works it: how it
// stands, and then each change, until it has ended, ctx is done or the service stops. A watcher that is slow
// gets the newest snapshot and misses those between. after is the Seq of the last snapshot that was
// seen, 0 for none: older ones are left out, but never the end of the run.
//
// Errors, after which nothing follows: [ErrNotFound].
func (s *Service) Watch(ctx context.Context, id string, after int64) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		done := s.started()
		if done == nil {
			yield(Snapshot{}, errNotStarted)
			return
		}
		if err := s.exists(ctx, id); err != nil {
			yield(Snapshot{}, err)
			return
		}
		c := s.watchers.Join(id)
		defer s.watchers.Leave(id, c)
		for {
			var item watch.Item[Record]
			select {
			case <-ctx.Done():
				return
			case <-done:
				return
			case item = <-c:
			}
			ended := item.Value.State.Ended()
			if item.Seq <= after && !ended {
				continue
			}
			if !yield(Snapshot{Seq: item.Seq, Record: item.Value}, nil) || ended {
				return
			}
		}
	}
}

var errNotStarted = errors.New("runs: the service is not started, or stopped")

// exists tells whether there is such a run; watched ones are not asked for again.
func (s *Service) exists(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if s.watchers.Knows(id) {
		return nil
	}
	var there bool
	if err := s.db.Pool.QueryRow(ctx, s.db.Of("select exists (select from {runs} where id = $1)"), id).Scan(&there); err != nil {
		return trouble("watch", err)
	}
	if !there {
		return notFound("there is no run %s", shown(id))
	}
	return nil
}
