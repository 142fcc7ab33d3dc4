package queue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// JobArgs are those of a River job: a turn to begin an attempt of a run. Each pipeline
// is a kind of its own, so that a replica fetches only jobs of those it knows.
type JobArgs struct {
	Run      string `json:"run"`
	Pipeline string `json:"pipeline"`
}

// Kind implements river.JobArgs.
func (a JobArgs) Kind() string { return "run:" + a.Pipeline }

// Name is River's queue for all runs.
const Name = "millrace"

// Queue is a replica's share in the queue. Its methods may be called from several goroutines.
type Queue struct {
	db       *tables.DB
	runs     life.Runs
	inserter *river.Client[pgx.Tx] // inserts jobs, in any transaction
	control  *pgxpool.Pool         // the replica's own; set by Use
	ids      ids
	admits   atomic.Bool // whether Admits goes on

	mu       sync.Mutex
	nudged   map[string]struct{} // pipelines that the admitter is to look at
	admitNow chan struct{}       // holds a token when there are some
}

// New returns a queue. It does no I/O.
func New(db *tables.DB) (*Queue, error) {
	inserter, err := river.NewClient(riverpgxv5.New(db.Pool), &river.Config{
		Schema: db.Schema, Logger: db.RiverLogger(), FetchCooldown: river.FetchCooldownMin, // it tells of each job
	})
	if err != nil {
		return nil, err
	}
	return &Queue{
		db: db, runs: life.Runs{DB: db}, inserter: inserter,
		nudged: map[string]struct{}{}, admitNow: make(chan struct{}, 1),
	}, nil
}

// Use gives the queue the connections of a started replica. It comes before Admits and all that the keeper does.
func (q *Queue) Use(control *pgxpool.Pool) { q.control = control }

// Enqueue inserts runs that wait.
func (q *Queue) Enqueue(ctx context.Context, tx pgx.Tx, runs []life.New) error {
	var b pgx.Batch
	for _, r := range runs {
		sql, args, err := q.runs.Insert(r)
		if err != nil {
			return err
		}
		b.Queue(sql, args...)
	}
	return tx.SendBatch(ctx, &b).Close()
}

// EnqueueAlone inserts one run, and lets it begin if there is a free place, as [Queue.Admit] does: a transaction of its
// own in as few exchanges as it takes.
func (q *Queue) EnqueueAlone(ctx context.Context, r life.New) error {
	sql, args, err := q.runs.Insert(r)
	if err != nil {
		return err
	}
	var b pgx.Batch
	b.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	b.Queue("select set_config('idle_in_transaction_session_timeout', $1, true)", tables.IdleLimit)
	b.Queue(sql, args...)
	var begin []string
	b.Queue(q.db.Of("select {give_places}($1, $2)"), r.Pipeline, !q.admits.Load()).Query(func(rows pgx.Rows) (err error) {
		begin, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	results := q.db.Pool.SendBatch(ctx, &b)
	err = results.Close()
	tx := results.Tx()
	defer tx.Rollback(ctx) // after the commit it does nothing; if ctx is done it ends the connection
	if err == nil {
		err = q.insertJobs(ctx, tx, r.Pipeline, begin)
	}
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// insertJobs gives runs the jobs by which workers may begin them.
func (q *Queue) insertJobs(ctx context.Context, tx pgx.Tx, name string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		params[i] = river.InsertManyParams{
			Args: JobArgs{Run: id, Pipeline: name}, InsertOpts: &river.InsertOpts{MaxAttempts: 1, Queue: Name},
		}
	}
	inserted, err := q.inserter.InsertManyTx(ctx, tx, params)
	if err != nil {
		return err
	}
	jobs := make([]int64, len(ids))
	for i, r := range inserted { // in the order of params
		jobs[i] = r.Job.ID
	}
	_, err = tx.Exec(ctx, q.db.Of(`
update {runs} r set job_id = j.job from unnest($1::uuid[], $2::bigint[]) as j (run, job) where r.id = j.run`), ids, jobs)
	return err
}

// Dispatch gives a run, which has its place and whose row is locked, a job by which a worker may
// begin it. An older job of it means nothing any more.
func (q *Queue) Dispatch(ctx context.Context, tx pgx.Tx, id, name string) error {
	_, err := tx.Exec(ctx, q.db.Of(`
update {runs} set active = true, ready_at = now(), version = version + 1 where id = $1`), id)
	if err != nil {
		return err
	}
	return q.insertJobs(ctx, tx, name, []string{id})
}
