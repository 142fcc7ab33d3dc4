// Package runs makes pipelines durable: they are triggered, scheduled, watched,
// cancelled and taken over by any of several replicas, with nothing but Postgres
// between them.
//
//	  Trigger, Backfill, a schedule                        any replica
//	             │                               ┌───────────────────────────────┐
//	   one       ▼  transaction                  │ Build ─▶ pipeline ─▶ data     │
//	┌────────────────────────┐    River's        │            │                  │
//	│ runs   (the truth)     │    LISTEN/NOTIFY  │            ▼  one transaction │
//	│ river_job (who may     │ ────────────────▶ │ data, ledger, cursors, the    │
//	│            begin)      │    claim, lease   │ run's row, the end of its job │
//	└────────────────────────┘ ◀──────────────── └───────────────────────────────┘
//	             ▲                heartbeat,                  │
//	             └── Watch, List  progress, log ──────────────┘
//
// A [Definition] is a pipeline that can be built for each run anew; a [Registry] holds
// those a program knows. A [Service] is one replica: it works runs, and its methods
// act on those of all replicas.
//
// # What a service does
//
//	New(ctx, Config) (*Service, error)              checks all; starts nothing
//	Migrate(ctx) error                              makes or brings up to date the schema
//	Start(ctx) error, Stop(ctx) error               works runs; hands back what runs
//	Trigger(ctx, name, Trigger) (Record, error)
//	Backfill(ctx, name, Backfill) (BackfillInfo, error)
//	Cancel(ctx, id, by), Retry(ctx, id, by)         (Record, error)
//	Pause(ctx, name, by), Resume(ctx, name, by)     error
//	Get(ctx, id) (Record, error)
//	List(ctx, Filter, limit, token) (Page[Record], error)
//	Watch(ctx, id, after) iter.Seq2[Snapshot, error]
//	Logs(ctx, id, LogFilter) (Page[LogLine], error)
//	Rejects(ctx, id, after, limit) (RejectPage, error)
//	Pipelines(ctx) ([]PipelineInfo, error), Pipeline(ctx, name) (PipelineInfo, error)
//	Prune(ctx, Prune) (int64, error)
//	Stats(ctx) (Stats, error), Ready(ctx) error, Graphs() map[string]pipeline.Graph
//
// # The house
//
// Here is what users say and read: definitions, records, and the half of a service that only reads. What moves runs is
// behind it in runs/internal, each package with one idea, each knowing only those before it:
//
//	tables ─▶ life ─▶ queue ─▶ lease ─▶ schedule ─▶ work ─▶ ends ─▶ watch
//	schema,   states, who may  who is   cron lines, this    what    who
//	notices   moves   begin    alive    due dates   replica follows looks
//
// # The contract
//
// The row in runs is the truth, and a River job no more than a turn to begin: a job
// whose run has moved on does nothing. River does not retry, rescue or time out
// anything here; attempts are ours.
//
// One place: a pipeline has MaxActive places. A run takes one when it may begin and
// gives it back when it ends; right after that transaction another hands it to the run that has
// waited longest, so that no data waits for a queue. A run that waits for its next attempt keeps its place,
// so that later runs do not overtake it.
//
// The end: a run's success is written in the transaction that commits its ledger,
// which is that of its data if the pipeline's sinks use [Config].Pool itself (the same
// *pgxpool.Pool). Data on other pools commits just before, and is made exactly-once by a
// ledger of its own. A pipeline with work to finish after the commit (files to rename)
// succeeds after that, so that a crash in between is taken up again.
//
// Death: a worker renews its lease of [Config].Lease by the database's clock. When it
// stops, any other replica makes the run [Lost] and then begins attempt+1. A
// worker that wakes up too late finds its row taken, under a lock, and cannot commit.
//
// Attempts: each beginning counts one. Only attempts that failed count against
// [Definition].Retry; those that were lost or handed back do not, but a run
// whose workers died [MaxLosses] times in a row fails.
//
// Committed: a run that is in the ledger is neither failed nor cancelled, whatever becomes of its workers: it is
// begun again until what is left to do (the names of files) is done. Where it may be committed in another
// database, its own worker or the next attempt asks there before the run ends.
//
// Schedules: due dates are times of the cron line; one run for each, over all replicas,
// guarded by the pipeline's row and a unique index. The logical date of a run is the
// due date itself.
//
// Rolling upgrades: a replica works only runs of pipelines that its registry knows, and
// schedules only by a cron line that is the newest one in the database. A
// replica refuses a schema that is newer than itself.
package runs
