package sources_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
)

// database returns a pool to an empty database, after running sql in it.
func database(t testing.TB, sql ...string) *pgxpool.Pool {
	t.Helper()
	pool := devdb.Test(t)
	do(t, pool, sql...)
	return pool
}

func do(t testing.TB, pool *pgxpool.Pool, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := pool.Exec(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// one returns the only value of a query.
func one[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) (v T) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// gather is a sink that keeps the records of a run.
type gather[T any] struct {
	mu      sync.Mutex
	records []T
}

func (g *gather[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		g.mu.Lock()
		g.records = append(g.records, batch...)
		g.mu.Unlock()
	}
	return nil
}

// read runs a pipeline of the source alone.
func read[T any](ctx context.Context, source pipeline.Source[T], options pipeline.Options, stage ...pipeline.StageOption) ([]T, pipeline.Report, error) {
	p := pipeline.New("test", options)
	var sink gather[T]
	pipeline.To(pipeline.From(p, "read", source, stage...), "gather", &sink)
	report, err := p.Run(ctx)
	return sink.records, report, err
}

// mustRead is read for a run that has to succeed.
func mustRead[T any](t testing.TB, source pipeline.Source[T], stage ...pipeline.StageOption) []T {
	t.Helper()
	records, _, err := read(t.Context(), source, pipeline.Options{}, stage...)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// wants checks that an error holds all the texts and none of the secrets.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", texts)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error\n  %v\ndoes not say\n  %s", err, text)
		}
	}
}

// memory is a State for one test.
type memory struct {
	mu      sync.Mutex
	cursors map[string]json.RawMessage
	ranges  map[string]map[string]pipeline.Range // by run
	seen    []map[string]pipeline.Range          // what each run was to read
}

func (m *memory) Begin(_ context.Context, run pipeline.Run, _ []string) (pipeline.Recovered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pipeline.Recovered{Cursors: maps.Clone(m.cursors), Ranges: maps.Clone(m.ranges[run.ID])}, nil
}

func (m *memory) Fix(_ context.Context, run pipeline.Run, ranges map[string]pipeline.Range) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ranges == nil {
		m.ranges = map[string]map[string]pipeline.Range{}
	}
	m.ranges[run.ID] = maps.Clone(ranges)
	m.seen = append(m.seen, maps.Clone(ranges))
	return nil
}

func (m *memory) Commit(_ context.Context, _ pipeline.Run, commit pipeline.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cursors == nil {
		m.cursors = map[string]json.RawMessage{}
	}
	for name, r := range commit.Ranges {
		m.cursors[name] = r.To
	}
	return nil
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("not so after 20 s: %s", what)
		case <-tick.C:
		}
	}
}

var errStop = errors.New("stopped by the test")

func itoa(port uint16) string { return strconv.Itoa(int(port)) }

func atoi(port string) uint16 {
	n, _ := strconv.ParseUint(port, 10, 16)
	return uint16(n)
}
