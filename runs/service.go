package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/millrace/millrace/runs/internal/tables"
)

// Service is one replica. Its methods may be called from several goroutines, most also before
// Start and on a replica without workers.
type Service struct {
	config      Config
	definitions map[string]*definition
	scheduled   []string // the definitions with a schedule, sorted
	db          *tables.DB
	pool        *pgxpool.Pool         // the caller's: runs, and what users ask for
	inserter    *river.Client[pgx.Tx] // inserts jobs, in any transaction
	watchers    *watchers
	logs        *logs
	ids         ids
	pageKey     atomic.Pointer[[]byte]
	losses      atomic.Int64

	beatNow, keepNow, admitNow chan struct{} // each holds a token when there is something to do

	// Of a started service.
	control  *pgxpool.Pool         // the service's own: what must not wait for runs
	client   *river.Client[pgx.Tx] // nil without workers
	stopping atomic.Bool           // no further run is begun

	starting sync.Mutex // held by Start, and by Stop while it decides

	mu       sync.Mutex
	live     map[string]*live
	nudged   map[string]struct{} // pipelines that the admitter is to look at
	over     []string            // runs whose progress is to be removed
	handBack bool                // runs are handed back at once
	phase    phase
	done     chan struct{} // closed when the service begins to stop
	endLoops context.CancelFunc
	loops    sync.WaitGroup
}

// phase is where a service is in its life, which it has once.
type phase int

const (
	phaseNew phase = iota
	phaseStarted
	phaseStopped
)

// New checks the config and every definition. It does no I/O, but for what a Build may do.
func New(ctx context.Context, config Config) (*Service, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	definitions, err := config.Registry.compile(ctx)
	if err != nil {
		return nil, fmt.Errorf("runs: %w", err)
	}
	s := &Service{
		config: config, definitions: definitions, db: tables.New(config.Pool, config.Schema, config.Logger), pool: config.Pool,
		watchers: newWatchers(), logs: newLogs(config), live: map[string]*live{}, done: make(chan struct{}),
		beatNow: make(chan struct{}, 1), keepNow: make(chan struct{}, 1), admitNow: make(chan struct{}, 1), nudged: map[string]struct{}{},
	}
	for name, d := range definitions {
		if d.schedule != nil {
			s.scheduled = append(s.scheduled, name)
		}
	}
	slices.Sort(s.scheduled)
	s.inserter, err = river.NewClient(riverpgxv5.New(config.Pool), &river.Config{
		Schema: config.Schema, Logger: s.db.RiverLogger(), FetchCooldown: river.FetchCooldownMin, // it tells of each job
	})
	if err != nil {
		return nil, fmt.Errorf("runs: %w", err)
	}
	return s, nil
}

// SchemaVersion is the version of the history that this program reads and writes.
func SchemaVersion() int { return tables.SchemaVersion() }

// Migrate makes the schema, or brings it up to date: the history, River's tables, and the
// ledger. Any number of processes may call it at once. A schema that is newer than this program
// is an error.
func (s *Service) Migrate(ctx context.Context) error { return s.db.Migrate(ctx) }

// Ready tells whether the service can do its work: nil if the database answers and its
// schema is that of this program.
func (s *Service) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Name returns the name of this replica.
func (s *Service) Name() string { return s.config.Name }

// How often River looks for jobs: at most, when it is told of one, and at least, in case it is not.
// It does not tell of a job that is inserted less than its client's FetchCooldown after another, in the belief
// that the fetch for that one finds it, which is not so when it commits later.
const (
	fetchCooldown = 30 * time.Millisecond
	fetchPoll     = 200 * time.Millisecond
)

// Start registers the definitions and begins to work runs and to keep schedules. The
// schema must be there ([Service.Migrate]). ctx bounds the start only. A service is started
// once.
func (s *Service) Start(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	now := s.phase
	s.mu.Unlock()
	if now != phaseNew {
		return errors.New("runs: the service was started before")
	}
	if err := s.Ready(ctx); err != nil {
		return err
	}
	if err := s.db.Ledger().Ensure(ctx); err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	config := s.pool.Config()
	config.MaxConns, config.MinConns, config.MinIdleConns = ControlConns-1, 0, 0 // one more is for listening
	control, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	s.control = control
	if err := s.begin(ctx); err != nil {
		control.Close()
		return fmt.Errorf("runs: start: %w", err)
	}
	s.mu.Lock()
	s.phase = phaseStarted
	s.mu.Unlock()
	return nil
}

func (s *Service) begin(ctx context.Context) error {
	if err := s.register(ctx); err != nil {
		return err
	}
	if s.config.Workers > 0 {
		client, err := s.riverClient()
		if err != nil {
			return err
		}
		if err := client.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		s.client = client
	}
	loops, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endLoops = end
	for _, loop := range []func(context.Context){s.beats, s.reports, s.keep, s.admits, s.hear, s.serveWatchers, s.writeLogs} {
		s.loops.Go(func() { loop(loops) })
	}
	return nil
}

// forEver is more than the time that a job may be running in River's eyes: its own rescue of
// jobs is off. The lease does that.
const forEver = 100 * 365 * 24 * time.Hour

func (s *Service) riverClient() (client *river.Client[pgx.Tx], err error) {
	workers := river.NewWorkers()
	for name := range s.definitions {
		river.AddWorkerArgs(workers, jobArgs{Pipeline: name}, &worker{service: s})
	}
	return river.NewClient(riverpgxv5.New(s.control), &river.Config{
		Schema: s.config.Schema, Logger: s.db.RiverLogger(), Workers: workers,
		Queues:        map[string]river.QueueConfig{queueName: {MaxWorkers: s.config.Workers}},
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, FetchOnlyKnownKinds: true,
		MaxAttempts: 1, JobTimeout: -1, RescueStuckJobsAfter: forEver,
		// The history is in runs. A finished job is of no use.
		CompletedJobRetentionPeriod: 10 * time.Minute, CancelledJobRetentionPeriod: 10 * time.Minute, DiscardedJobRetentionPeriod: time.Hour,
	})
}

// started returns a channel that is closed when the service begins to stop; nil if it is not
// running.
func (s *Service) started() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != phaseStarted {
		return nil
	}
	return s.done
}

// Stop begins no further run, lets those that are under way go on for Config.Grace, and hands back what is
// left: other replicas take it at once. It returns when nothing runs any more, or with an
// error when ctx ends before; what then still runs is taken over when its lease is over. Stopping
// what was not started, or twice, does nothing.
func (s *Service) Stop(ctx context.Context) error {
	s.starting.Lock()
	defer s.starting.Unlock()
	s.mu.Lock()
	if s.phase != phaseStarted {
		s.phase = phaseStopped
		s.mu.Unlock()
		return nil
	}
	s.phase = phaseStopped
	close(s.done)
	s.mu.Unlock()

	s.stopping.Store(true)
	err := s.stopWork(ctx)
	s.endLoops()
	s.loops.Wait()
	if err != nil { // a stage that does not heed its context may hold a connection
		go s.control.Close()
		return fmt.Errorf("runs: stop: %w", err)
	}
	s.control.Close()
	return nil
}

func (s *Service) stopWork(ctx context.Context) error {
	if s.client == nil {
		return nil
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.client.Stop(ctx) }()
	if s.config.Grace > 0 {
		timer := time.NewTimer(s.config.Grace)
		defer timer.Stop()
		select {
		case err := <-stopped:
			return err
		case <-timer.C:
		}
	}
	s.mu.Lock()
	s.handBack = true
	s.mu.Unlock()
	for _, l := range s.working() {
		l.stop(errShutdown)
	}
	return <-stopped
}

// hear listens to the database.
func (s *Service) hear(ctx context.Context) {
	s.db.Listen(ctx, tables.Ears{
		Begun: func() {
			s.watchers.dirtyAll()
			s.wakeKeeper()
		},
		Heard: func(id, what string) {
			s.watchers.dirty(id)
			switch what {
			case "cancel":
				s.beatSoon(id)
			case string(Retrying):
				s.wakeKeeper()
			}
		},
	})
}

// beatSoon asks for a heartbeat at once, by which a run that this replica works learns that it
// is cancelled.
func (s *Service) beatSoon(id string) {
	s.mu.Lock()
	_, here := s.live[id]
	s.mu.Unlock()
	if !here {
		return
	}
	select {
	case s.beatNow <- struct{}{}:
	default:
	}
}
