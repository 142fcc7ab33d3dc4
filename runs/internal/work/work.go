package work

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/lease"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/queue"
	"github.com/millrace/millrace/runs/internal/tables"
)

// Definition is a pipeline that can be worked.
type Definition struct {
	Name     string
	Timeout  time.Duration // of one attempt; 0 for none
	Retry    pipeline.Retry
	Defaults map[string]string // of params that are newer than the run

	Build func(ctx context.Context, t Task) (*pipeline.Pipeline, error)
}

// Task is what an attempt is to do.
type Task struct {
	Run     string
	Attempt int
	Date    time.Time
	Params  map[string]string
}

// Config is what a replica's work is made of.
type Config struct {
	DB          *tables.DB
	Queue       *queue.Queue
	Worker      string // the replica's name
	Definitions map[string]Definition

	Lease, Heartbeat, Progress time.Duration
	MaxLogBytes                int // of one attempt
	LogLevel                   hclog.Level

	Ended func(life.Ended) // told of each end that is written here, after its commit
}

// Work is what this replica works. Its methods may be called from several goroutines.
type Work struct {
	Config
	runs    life.Runs
	logs    *logs
	control *pgxpool.Pool // the replica's own; set by Use
	leases  *lease.Leases
	client  *river.Client[pgx.Tx] // nil without workers
	beatNow chan struct{}         // holds a token when a heartbeat is wanted at once
	losses  atomic.Int64
	ending  atomic.Bool // no further run is begun

	mu       sync.Mutex
	live     map[string]*live
	over     []string // runs whose progress is to be removed
	handBack bool     // runs are handed back at once
}

// New returns work that is not begun.
func New(c Config) *Work {
	return &Work{
		Config: c, runs: life.Runs{DB: c.DB}, logs: newLogs(c), live: map[string]*live{}, beatNow: make(chan struct{}, 1),
	}
}

// Use gives it the connections of a started replica, and what renews its leases. It comes before all that follows.
func (w *Work) Use(control *pgxpool.Pool, leases *lease.Leases) {
	w.control, w.leases = control, leases
}

// How often River looks for jobs: at most, when it is told of one, and at least, in case it is not.
// It does not tell of a job that is inserted less than its client's FetchCooldown after another, in the belief
// that the fetch for that one finds it, which is not so when it commits later.
const (
	fetchCooldown = 30 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
)

// forEver is more than the time that a job may be running in River's eyes: its own rescue of
// jobs is off. The lease does that.
const forEver = 100 * 365 * 24 * time.Hour

// Start begins to fetch runs, so many at once.
func (w *Work) Start(ctx context.Context, workers int) error {
	known := river.NewWorkers()
	for name := range w.Definitions {
		river.AddWorkerArgs(known, queue.JobArgs{Pipeline: name}, &Worker{work: w})
	}
	client, err := river.NewClient(riverpgxv5.New(w.control), &river.Config{
		Schema: w.DB.Schema, Logger: w.DB.RiverLogger(), Workers: known,
		Queues:        map[string]river.QueueConfig{queue.Name: {MaxWorkers: workers}},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, FetchOnlyKnownKinds: true,
		MaxAttempts: 1, JobTimeout: -1, RescueStuckJobsAfter: forEver,
		// The history is in runs. A finished job is of no use.
		CompletedJobRetentionPeriod: 10 * time.Minute, CancelledJobRetentionPeriod: 10 * time.Minute,
		DiscardedJobRetentionPeriod: time.Hour,
	})
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	w.client = client
	return nil
}

// BeginNoMore lets what is fetched from now on go back.
func (w *Work) BeginNoMore() { w.ending.Store(true) }

// Ending tells whether BeginNoMore was called.
func (w *Work) Ending() bool { return w.ending.Load() }

// Stop begins no further run, lets those that are under way go on for a while, and hands back what is left. It returns
// when nothing runs any more, or with an error when ctx ends before.
func (w *Work) Stop(ctx context.Context, grace time.Duration) error {
	w.BeginNoMore()
	if w.client == nil {
		return nil
	}
	stopped := make(chan error, 1)
	go func() { stopped <- w.client.Stop(ctx) }()
	if grace > 0 {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case err := <-stopped:
			return err
		case <-timer.C:
		}
	}
	w.mu.Lock()
	w.handBack = true
	w.mu.Unlock()
	for _, l := range w.working() {
		l.stop(errShutdown)
	}
	return <-stopped
}

// Loops are what goes on beside the runs until its context ends.
func (w *Work) Loops() []func(context.Context) {
	return []func(context.Context){w.beats, w.reports, w.writeLogs}
}

// Losses returns how many attempts were given up here because their leases were lost.
func (w *Work) Losses() int64 { return w.losses.Load() }

// enter and leave keep the list of the runs that this replica works.
func (w *Work) enter(l *live) {
	w.mu.Lock()
	w.live[l.id] = l
	stopping := w.handBack
	w.mu.Unlock()
	if stopping {
		l.stop(errShutdown)
	}
}

func (w *Work) leave(l *live) {
	w.mu.Lock()
	if w.live[l.id] == l { // a later attempt of the same run may be here already
		delete(w.live, l.id)
	}
	w.over = append(w.over, l.id)
	w.mu.Unlock()
	l.log.close()
}

// working returns the runs that this replica works.
func (w *Work) working() []*live {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]*live, 0, len(w.live))
	for _, l := range w.live {
		all = append(all, l)
	}
	return all
}
