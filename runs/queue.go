package runs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/millrace/millrace/runs/internal/tables"
)

// jobArgs are those of a River job: a turn to begin an attempt of a run. Each pipeline
// is a kind of its own, so that a replica fetches only jobs of those it knows.
type jobArgs struct {
	Run      string `json:"run"`
	Pipeline string `json:"pipeline"`
}

// Kind implements river.JobArgs.
func (a jobArgs) Kind() string { return "run:" + a.Pipeline }

// queueName is River's queue for all runs.
const queueName = "millrace"

// newRun is a run that is to be put into the queue.
type newRun struct {
	id, pipeline string
	date         time.Time
	params       Values
	cause        Cause
	by           string
	backfill     *string
}

// insertion is the statement that inserts a run that waits, with its arguments. It inserts nothing if a due date has its
// run already.
func (s *Service) insertion(r newRun) (sql string, args []any, err error) {
	params, err := json.Marshal(r.params)
	if err != nil {
		return "", nil, err
	}
	return s.db.Of(`
insert into {runs} (id, pipeline, state, logical_date, params, cause, by, backfill)
values ($1, $2, 'queued', $3, $4::text::jsonb, $5, $6, $7) on conflict do nothing`),
		[]any{r.id, r.pipeline, r.date, string(params), string(r.cause), r.by, r.backfill}, nil
}

// enqueue inserts runs that wait.
func (s *Service) enqueue(ctx context.Context, tx pgx.Tx, runs []newRun) error {
	var b pgx.Batch
	for _, r := range runs {
		sql, args, err := s.insertion(r)
		if err != nil {
			return err
		}
		b.Queue(sql, args...)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// enqueueAlone inserts one run, and lets it begin if there is a free place, as [Service.admit] does: a transaction of its
// own in as few exchanges as it takes.
func (s *Service) enqueueAlone(ctx context.Context, r newRun) error {
	sql, args, err := s.insertion(r)
	if err != nil {
		return err
	}
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	b.Queue("select set_config('idle_in_transaction_session_timeout', $1, true)", tables.IdleLimit)
	b.Queue(sql, args...)
	var begin []string
	b.Queue(s.db.Of("select {give_places}($1, $2)"), r.pipeline, s.started() == nil).Query(func(rows pgx.Rows) (err error) {
		begin, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	results := s.pool.SendBatch(ctx, &b)
	err = results.Close()
	tx := results.Tx()
	defer tx.Rollback(ctx) // after the commit it does nothing; if ctx is done it ends the connection
	if err == nil {
		err = s.insertJobs(ctx, tx, r.pipeline, begin)
	}
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// insertJobs gives runs the jobs by which workers may begin them.
func (s *Service) insertJobs(ctx context.Context, tx pgx.Tx, name string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		params[i] = river.InsertManyParams{Args: jobArgs{Run: id, Pipeline: name}, InsertOpts: &river.InsertOpts{MaxAttempts: 1, Queue: queueName}}
	}
	inserted, err := s.inserter.InsertManyTx(ctx, tx, params)
	if err != nil {
		return err
	}
	jobs := make([]int64, len(ids))
	for i, r := range inserted { // in the order of params
		jobs[i] = r.Job.ID
	}
	_, err = tx.Exec(ctx, s.db.Of("update {runs} r set job_id = j.job from unnest($1::uuid[], $2::bigint[]) as j (run, job) where r.id = j.run"), ids, jobs)
	return err
}

// dispatch gives a run, which has its place and whose row is locked, a job by which a worker may
// begin it. An older job of it means nothing any more.
func (s *Service) dispatch(ctx context.Context, tx pgx.Tx, id, name string) error {
	if _, err := tx.Exec(ctx, s.db.Of("update {runs} set active = true, ready_at = now(), version = version + 1 where id = $1"), id); err != nil {
		return err
	}
	return s.insertJobs(ctx, tx, name, []string{id})
}

// admit gives the free places of a pipeline to the runs that have waited longest. It holds the lock of
// the pipeline's row until the end of the transaction, and does nothing if somebody else has
// it: then the admitter, which the caller nudges after its commit, does it.
//
// So nobody ever waits for a pipeline's lock inside a transaction that holds something
// else: neither triggers nor the ends of runs queue up behind one another.
func (s *Service) admit(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := s.givePlaces(ctx, tx, name, s.started() == nil) // without an admitter, better late than never
	return err
}

// givePlaces returns how many it gave.
func (s *Service) givePlaces(ctx context.Context, tx pgx.Tx, name string, mayWait bool) (int, error) {
	rows, _ := tx.Query(ctx, s.db.Of("select {give_places}($1, $2)"), name, mayWait)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	return len(ids), s.insertJobs(ctx, tx, name, ids)
}

// nudge lets the admitter look at a pipeline: after a run of it ended, or came to wait. It is called
// after the commit. If the replica dies just before, the keeper of any other looks.
func (s *Service) nudge(name string) {
	s.mu.Lock()
	s.nudged[name] = struct{}{}
	s.mu.Unlock()
	select {
	case s.admitNow <- struct{}{}:
	default:
	}
}

// admits is the admitter: one for a replica, so that many runs that end at once are followed by one
// transaction that begins as many.
func (s *Service) admits(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.admitNow:
		}
		s.mu.Lock()
		names := s.nudged
		s.nudged = map[string]struct{}{}
		s.mu.Unlock()
		for name := range names {
			if err := s.admitAlone(ctx, name); err != nil && ctx.Err() == nil {
				s.config.Logger.Warn("waiting runs could not be let begin, the keeper tries again", "pipeline", name, "error", err)
			}
		}
	}
}

// admitAlone admits in a transaction of its own, if any run waits.
func (s *Service) admitAlone(ctx context.Context, name string) error {
	for {
		var waits bool
		err := s.control.QueryRow(ctx, s.db.Of("select exists (select from {runs} where pipeline = $1 and state = 'queued' and not active)"), name).Scan(&waits)
		if err != nil || !waits {
			return err
		}
		given := 0
		err = tables.InTx(ctx, s.control, func(tx pgx.Tx) (err error) {
			given, err = s.givePlaces(ctx, tx, name, true)
			return err
		})
		if err != nil || given == 0 {
			return err
		}
	}
}

// admitAll is the keeper's look at all pipelines where runs wait: for a place that was freed by
// somebody who died before it could nudge.
func (s *Service) admitAll(ctx context.Context) error {
	rows, _ := s.control.Query(ctx, s.db.Of("select distinct pipeline from {runs} where state = 'queued' and not active"))
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.admitAlone(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// ids makes the IDs of runs: UUIDs of version 7 (RFC 9562), of which those of one process
// sort in the order in which they were made.
type ids struct {
	mu   sync.Mutex
	last uint64 // milliseconds, and a counter within them in the lowest 12 bits
}

func (g *ids) next() string {
	g.mu.Lock()
	g.last = max(g.last+1, uint64(time.Now().UnixMilli())<<12)
	stamp := g.last
	g.mu.Unlock()
	var b [16]byte
	rand.Read(b[8:]) // never fails (since Go 1.24)
	binary.BigEndian.PutUint64(b[:8], stamp>>12<<16|0x7000|stamp&0xfff)
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

var goodID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// checkID refuses what cannot be a run's ID without asking the database.
func checkID(id string) error {
	if !goodID.MatchString(id) {
		return notFound("there is no run %s", shown(id))
	}
	return nil
}
