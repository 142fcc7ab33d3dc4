package runs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs/internal/ends"
	"github.com/millrace/millrace/runs/internal/lease"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/queue"
	"github.com/millrace/millrace/runs/internal/tables"
	"github.com/millrace/millrace/runs/internal/watch"
	"github.com/millrace/millrace/runs/internal/work"
)

// Service is one replica. Its methods may be called from several goroutines, most also before
// Start and on a replica without workers.
type Service struct {
	reader
	config    Config
	scheduled []string // the definitions with a schedule, sorted
	moves     life.Runs
	queue     *queue.Queue
	work      *work.Work
	ends      *ends.Ends
	watchers  *watch.Hub[Record]
	keepNow   chan struct{} // holds a token when there is something to keep

	// Of a started service.
	control *pgxpool.Pool // the service's own: what must not wait for runs
	leases  *lease.Leases

	starting sync.Mutex // held by Start, and by Stop while it decides

	mu       sync.Mutex
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
	db := tables.New(config.Pool, config.Schema, config.Logger)
	s := &Service{
		reader: reader{db: db, definitions: definitions}, config: config, moves: life.Runs{DB: db},
		watchers: watch.New[Record](), keepNow: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if s.queue, err = queue.New(db); err != nil {
		return nil, fmt.Errorf("runs: %w", err)
	}
	s.ends = &ends.Ends{Queue: s.queue, Wake: s.wakeKeeper, Observe: s.observe, Limit: config.Lease}
	workable := map[string]work.Definition{}
	for name, d := range definitions {
		workable[name] = d.workable()
		if d.schedule != nil {
			s.scheduled = append(s.scheduled, name)
		}
	}
	slices.Sort(s.scheduled)
	s.work = work.New(work.Config{
		DB: db, Queue: s.queue, Worker: config.Name, Definitions: workable,
		Lease: config.Lease, Heartbeat: config.Heartbeat, Progress: config.Progress,
		MaxLogBytes: config.MaxLogBytes, LogLevel: config.LogLevel, Ended: s.ends.Follow,
	})
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
	config := s.db.Pool.Config()
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
	s.leases = &lease.Leases{
		DB: s.db, Queue: s.queue, Control: s.control, Worker: s.config.Name, For: s.config.Lease, Ended: s.ends.Follow,
	}
	s.queue.Use(s.control)
	s.work.Use(s.control, s.leases)
	if s.config.Workers > 0 {
		if err := s.work.Start(ctx, s.config.Workers); err != nil {
			return err
		}
	}
	loops, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endLoops = end
	for _, loop := range append(s.work.Loops(), s.queue.Admits, s.keep, s.hear, s.look) {
		s.loops.Go(func() { loop(loops) })
	}
	return nil
}

// register tells the database of the definitions.
func (s *Service) register(ctx context.Context) error {
	var all []queue.Pipeline
	for _, name := range slices.Sorted(maps.Keys(s.definitions)) {
		d := s.definitions[name]
		all = append(all, queue.Pipeline{
			Name: name, Description: d.Description, Schedule: d.Schedule, MaxActive: d.MaxActive, Next: d.next(s.config.now()),
		})
	}
	return s.queue.Register(ctx, all)
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

	err := s.work.Stop(ctx, s.config.Grace)
	s.endLoops()
	s.loops.Wait()
	if err != nil { // a stage that does not heed its context may hold a connection
		go s.control.Close()
		return fmt.Errorf("runs: stop: %w", err)
	}
	s.control.Close()
	return nil
}

// LeaseLosses returns how many attempts this replica gave up since it started because it had lost their
// leases. More than none means that it, or its database, stands still for seconds at a time.
func (s *Service) LeaseLosses() int64 { return s.work.Losses() }

// observe tells the observer of an end that this replica has written. The run may have moved on since.
func (s *Service) observe(ctx context.Context, e life.Ended) {
	if s.config.Observe == nil {
		return
	}
	found, err := s.snapshots(ctx, []string{e.Run})
	if err != nil {
		s.config.Logger.Warn("the end of an attempt could not be read, so that it is not counted",
			"run", e.Run, "state", e.State, "error", err)
		return
	}
	if item, ok := found[e.Run]; ok {
		r := item.Value
		r.State, r.Report = State(e.State), e.Report
		s.config.Observe(r)
	}
}

// hear listens to the database.
func (s *Service) hear(ctx context.Context) {
	s.db.Listen(ctx, tables.Ears{
		Begun: func() {
			s.watchers.DirtyAll()
			s.wakeKeeper()
		},
		Heard: func(id, what string) {
			s.watchers.Dirty(id)
			switch what {
			case "cancel":
				s.work.BeatSoon(id)
			case string(Retrying):
				s.wakeKeeper()
			}
		},
	})
}

// look serves the watchers.
func (s *Service) look(ctx context.Context) { s.watchers.Serve(ctx, s.config.Logger, s.snapshots) }

// duty is something that the keeper does.
type duty struct {
	name string
	do   func(context.Context) error
}

// keep does what must be done by somebody: due dates, attempts whose wait is over, runs of dead
// workers. Every replica does it; locks make it happen once.
func (s *Service) keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	lastReap := time.Time{}
	redispatch := func(ctx context.Context) error { return s.queue.Redispatch(ctx, s.config.Lease) }
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.keepNow:
		}
		duties := []duty{{"due dates", s.due}, {"attempts", s.queue.RetryDue}}
		if time.Since(lastReap) >= s.config.Heartbeat {
			lastReap = time.Now()
			duties = append(duties,
				duty{"lost runs", s.leases.Reap}, duty{"lost jobs", redispatch}, duty{"free places", s.queue.AdmitAll})
		}
		for _, d := range duties {
			if err := d.do(ctx); err != nil && ctx.Err() == nil {
				s.config.Logger.Warn("the keeper failed, it tries again", "at", d.name, "error", err)
			}
		}
		timer.Reset(s.queue.NextWake(ctx, s.scheduled, s.config.now, s.config.Heartbeat))
	}
}

// wakeKeeper lets the keeper look again.
func (s *Service) wakeKeeper() {
	select {
	case s.keepNow <- struct{}{}:
	default:
	}
}

// due makes the runs that are due.
func (s *Service) due(ctx context.Context) error {
	for _, name := range s.scheduled {
		d, now := s.definitions[name], s.config.now()
		plan := func(first time.Time) (due []life.New, next *time.Time, err error) {
			dates, after := d.due(first, now)
			values, err := d.values(nil)
			if err != nil {
				return nil, nil, err
			}
			for _, date := range dates {
				due = append(due, life.New{
					ID: s.queue.NewID(), Pipeline: name, Date: date, Params: values,
					Cause: string(CauseSchedule), By: "schedule",
				})
			}
			return due, orNull(after), nil
		}
		if err := s.queue.DueRuns(ctx, name, d.Schedule, now, plan); err != nil {
			return err
		}
	}
	return nil
}
