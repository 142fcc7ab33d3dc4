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

// enqueue inserts a run that waits. It tells whether it did: a due date has one run.
func (s *Service) enqueue(ctx context.Context, tx pgx.Tx, r newRun) (bool, error) {
	params, err := json.Marshal(r.params)
	if err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, s.sql.of(`
insert into {runs} (id, pipeline, state, logical_date, params, cause, by, backfill)
values ($1, $2, 'queued', $3, $4::text::jsonb, $5, $6, $7) on conflict do nothing`),
		r.id, r.pipeline, r.date, string(params), string(r.cause), r.by, r.backfill)
	return tag.RowsAffected() > 0, err
}

// admit gives the free places of a pipeline to the runs that have waited longest. It locks
// the pipeline's row until the end of the transaction.
//
// The order of locks is: a run's row, its pipeline's row, rows of runs that wait. The
// last are passed over if somebody holds them, who will admit in turn.
func (s *Service) admit(ctx context.Context, tx pgx.Tx, name string) error {
	var most int
	err := tx.QueryRow(ctx, s.sql.of("select max_active from {pipelines} where name = $1 for no key update"), name).Scan(&most)
	if isNoRows(err) {
		return fmt.Errorf("pipeline %q is not registered", name)
	}
	if err != nil {
		return err
	}
	for {
		var id string
		var active, waiting int // waiting counts up to two
		err := tx.QueryRow(ctx, s.sql.of(`
with full_backfills as (
    select a.backfill
      from {runs} a join {backfills} b on b.id = a.backfill
     where a.pipeline = $1 and a.active
     group by a.backfill, b.parallel
    having count(*) >= b.parallel)
select id,
       (select count(*) from {runs} where pipeline = $1 and active),
       (select count(*) from (select from {runs} where pipeline = $1 and state = 'queued' and not active limit 2) w)
  from {runs}
 where pipeline = $1 and state = 'queued' and not active
   and (select count(*) from {runs} where pipeline = $1 and active) < $2
   and (backfill is null or backfill not in (select backfill from full_backfills))
 order by place
 limit 1
   for no key update skip locked`), name, most).Scan(&id, &active, &waiting)
		if isNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.dispatch(ctx, tx, id, name); err != nil {
			return err
		}
		if active+1 >= most || waiting < 2 {
			return nil
		}
	}
}

// dispatch gives a run, whose row is locked, a job by which a worker may begin it. An older
// job of it means nothing any more.
func (s *Service) dispatch(ctx context.Context, tx pgx.Tx, id, name string) error {
	job, err := s.inserter.InsertTx(ctx, tx, jobArgs{Run: id, Pipeline: name}, &river.InsertOpts{MaxAttempts: 1, Queue: queueName})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, s.sql.of(`
update {runs} set active = true, job_id = $2, ready_at = now(), version = version + 1 where id = $1`), id, job.Job.ID)
	return err
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
