package runs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/runs/internal/ends"
	"github.com/millrace/millrace/runs/internal/lease"
	"github.com/millrace/millrace/runs/internal/work"
)

// Config is what a service is made of. Only Pool and Registry are required.
type Config struct {
	// Pool is the database of the queue and the history. A run whose sinks use this very
	// pool ends in one transaction with its data. Each run under way holds a connection of
	// it, besides those of its sources. The service also opens [ControlConns] connections of its own to
	// the same database, so that heartbeats never wait for runs.
	Pool *pgxpool.Pool

	// Schema holds the tables. Defaults to "millrace".
	Schema string

	// Registry holds the definitions.
	Registry *Registry

	// Workers is how many runs this replica works at once. Defaults to twice the number of
	// processors, or what Pool has room for if that is less; -1 is none: a
	// replica that only triggers and shows.
	Workers int

	// Name is this replica's, in the history and in reasons. Defaults to the host's name and a
	// random suffix. It must not be used by two replicas at once.
	Name string

	// Logger takes what the service and its runs tell. Defaults to silence.
	Logger hclog.Logger

	// Lease is how long a worker that is not heard of keeps its runs. Defaults to 10 s.
	Lease time.Duration

	// Heartbeat is the time between two renewals of the lease, and between two looks for runs
	// whose lease is over. Defaults to a quarter of Lease.
	Heartbeat time.Duration

	// Progress is the time between two reports of a run under way, for watchers on
	// other replicas too. Defaults to 300 ms.
	Progress time.Duration

	// Grace is how long Stop lets runs go on before it hands them back. Defaults to 5 s; a
	// negative value is none.
	Grace time.Duration

	// MaxLogBytes bounds the log that is kept of one attempt. Defaults to 1 MiB.
	MaxLogBytes int

	// LogLevel is the lowest level of log that is kept. Defaults to Info.
	LogLevel hclog.Level

	// Observe, if set, is called after each end that this replica has written: of an attempt that it worked,
	// of one whose worker died ([Lost], or how the run ended by it), of a run that is cancelled before it began.
	// Record.State is the state that the run got by that, also if it has moved on since; Report is nil where
	// this replica did not work the attempt. For metrics and alerts; it must return soon.
	Observe func(Record)

	now func() time.Time // of schedules; tests replace it
}

// ControlConns is how many connections a started service opens beside its pool, at most.
const ControlConns = 7

// MaxLosses is how many times in a row the workers of one run may die before it fails.
const MaxLosses = lease.MaxLosses

// MaxKeptRejects is how many rejects of one attempt are kept in the history.
const MaxKeptRejects = work.MaxRejects

// KeepCommits is how long the ledger remembers a run after its end, at least, though it is no longer in the
// history: longer than an attempt of it may sleep somewhere, or than a backup of a history that is kept apart from
// the data is old when it is restored.
const KeepCommits = ends.KeepCommits

// MaxBackfill is how many logical dates one backfill may have.
const MaxBackfill = 1000

var goodSchema = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// withDefaults checks the config and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	if c.Pool == nil {
		return c, errors.New("runs: Config.Pool is nil")
	}
	if c.Registry == nil {
		return c, errors.New("runs: Config.Registry is nil")
	}
	if c.Schema == "" {
		c.Schema = "millrace"
	}
	if !goodSchema.MatchString(c.Schema) {
		return c, fmt.Errorf("runs: Config.Schema is %q: it must be made of small letters, digits and _, begin with no digit, and have at most 40 of them", c.Schema)
	}
	room := int(c.Pool.Config().MaxConns)
	switch {
	case c.Workers < -1:
		return c, fmt.Errorf("runs: Config.Workers is %d: use -1 for none", c.Workers)
	case c.Workers == 0:
		c.Workers = max(1, min(2*runtime.GOMAXPROCS(0), (room-1)/2))
	case c.Workers >= room:
		return c, fmt.Errorf("runs: Config.Workers is %d, but the pool has room for %d connections: each run needs one, its sources one each, and the service one: make the pool larger", c.Workers, room)
	}
	if c.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "replica"
		}
		var b [3]byte
		rand.Read(b[:])
		c.Name = host + "-" + hex.EncodeToString(b[:])
	}
	if len(c.Name) > 100 || !plainText(c.Name) {
		return c, errors.New("runs: Config.Name is not plain UTF-8 text of at most 100 bytes")
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		byDef time.Duration
	}{
		{"Lease", &c.Lease, 10 * time.Second},
		{"Progress", &c.Progress, 300 * time.Millisecond},
		{"Heartbeat", &c.Heartbeat, c.Lease / 4},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("runs: Config.%s is %v: it cannot be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.byDef
		}
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = c.Lease / 4
	}
	if c.Heartbeat > c.Lease/2 {
		return c, fmt.Errorf("runs: Config.Heartbeat is %v, Config.Lease %v: one lost heartbeat would lose the lease; make it at most half", c.Heartbeat, c.Lease)
	}
	if c.Grace == 0 {
		c.Grace = 5 * time.Second
	}
	if c.MaxLogBytes <= 0 {
		c.MaxLogBytes = 1 << 20
	}
	if c.LogLevel == hclog.NoLevel {
		c.LogLevel = hclog.Info
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Trigger says what a run is started with. The zero value is a run with the defaults.
type Trigger struct {
	Params      map[string]string
	LogicalDate time.Time // defaults to now
	By          string    // who triggers it, for the history
}

// Backfill says which dates are to be run: those of the pipeline's schedule from From to To, both
// included, or every midnight UTC if it has none.
type Backfill struct {
	From, To time.Time
	Params   map[string]string
	Parallel int // how many at once, over all replicas; MaxActive bounds it too. Defaults to 1.
	By       string
}

// BackfillInfo is what a backfill started.
type BackfillInfo struct {
	ID   string   `json:"id"`
	Runs []Record `json:"runs"` // in the order of their dates
}

// Prune says what of the history is to be removed: runs that ended before OlderThan, and
// those beyond the newest Keep of each pipeline that ended. What is zero does not count.
type Prune struct {
	OlderThan time.Time
	Keep      int
}
