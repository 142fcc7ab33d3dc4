package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
	"github.com/millrace/millrace/server/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// replica is an API that listens, over a service and a database of its own.
type replica struct {
	t       *testing.T
	api     *api.API
	service *runs.Service // nil if it has none
	pool    *pgxpool.Pool
	url     string
	client  *http.Client
	log     *lockedBuffer
	gate    chan struct{} // what the pipeline "gated" waits for
}

// options say which replica a test wants.
type options struct {
	config  func(*api.Config)
	idle    bool // the service is not started
	waiting bool // there is no service
	noTable bool
}

func newReplica(t *testing.T, o options) *replica {
	t.Helper()
	r := &replica{t: t, pool: devdb.Test(t), log: &lockedBuffer{}, gate: make(chan struct{})}
	if !o.noTable {
		r.exec("CREATE TABLE test_table (id serial PRIMARY KEY, name varchar(100))")
		r.exec("INSERT INTO test_table (name) VALUES ('Sude'), ('Airflow'), ('Docker')")
		if err := salesetl.CreateTables(t.Context(), r.pool); err != nil {
			t.Fatal(err)
		}
		r.exec("INSERT INTO aggregated_sales SELECT 'product ' || n % 7 || '/' || n, n % 5, (n % 3) * (n % 4) * 7 + 0.10 FROM generate_series(1, 40) n")
	}
	log := hclog.New(&hclog.LoggerOptions{Output: r.log, Level: hclog.Debug})
	config := api.Config{Replica: "replica-7", Version: "test", Logger: log, Reads: r.pool, TriggerRate: 10_000}
	if o.config != nil {
		o.config(&config)
	}
	r.api = api.New(config)
	if !o.waiting {
		registry := &runs.Registry{}
		registry.Add(r.definitions()...)
		var err error
		r.service, err = runs.New(t.Context(), runs.Config{
			Pool: r.pool, Registry: registry, Workers: 4, Name: "replica-7", Logger: log, Observe: r.api.Observe,
			Progress: 20 * time.Millisecond, Grace: -1,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.service.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !o.idle {
			if err := r.service.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.api.Serve(r.service)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := r.api.Server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	r.url = "http://" + listener.Addr().String()
	r.client = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 30 * time.Second}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		r.api.Drain()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		r.client.CloseIdleConnections()
		if r.service != nil && !o.idle {
			if err := r.service.Stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	return r
}

// definitions are pipelines that end in each of the ways there are.
func (r *replica) definitions() []runs.Definition {
	one := func(p *pipeline.Pipeline, sink func(context.Context, *pipeline.Reader[int]) error) *pipeline.Pipeline {
		numbers := pipeline.From(p, "numbers", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
			for n := range 3 {
				if err := out.Write(n); err != nil {
					return err
				}
			}
			return nil
		}))
		pipeline.To(numbers, "sink", pipeline.SinkFunc[int](sink))
		return p
	}
	drain := func(in *pipeline.Reader[int]) error {
		for _, err := range in.All() {
			if err != nil {
				return err
			}
		}
		return nil
	}
	return []runs.Definition{
		{
			Name: "quick", Description: "ends at once", MaxActive: 4,
			Params: []runs.Param{
				{Name: "n", Type: runs.Int, Default: "1"},
				{Name: "day", Type: runs.Date},
				{Name: "kind", Type: runs.Enum, Values: []string{"a", "b"}, Default: "a"},
			},
			Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
				return one(pipeline.New("quick", pipeline.Options{}), func(_ context.Context, in *pipeline.Reader[int]) error { return drain(in) }), nil
			},
		}, {
			Name: "gated", Description: "ends when the test lets it", MaxActive: 2,
			Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
				return one(pipeline.New("gated", pipeline.Options{}), func(ctx context.Context, in *pipeline.Reader[int]) error {
					select {
					case <-r.gate:
						return drain(in)
					case <-ctx.Done():
						return ctx.Err()
					}
				}), nil
			},
		}, {
			Name: "failing", Description: "fails",
			Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
				return one(pipeline.New("failing", pipeline.Options{}), func(context.Context, *pipeline.Reader[int]) error {
					return pipeline.Permanent(errors.New("<script>alert(1)</script> has no column \"sale_date\""))
				}), nil
			},
		}, {
			Name: "rejecting", Description: "sets records aside",
			Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
				p := pipeline.New("rejecting", pipeline.Options{MaxRejects: -1})
				return one(p, func(ctx context.Context, in *pipeline.Reader[int]) error {
					pipeline.LoggerFrom(ctx).Warn("three are set aside")
					for n, err := range in.All() {
						if err != nil {
							return err
						}
						if err := in.Reject(&n, pipeline.Reject{Source: "a.csv", Line: int64(n + 2), Raw: []byte("1,\"x\xff\x00\n"), Column: "q", Value: "=1+1", Reason: "is odd"}); err != nil {
							return err
						}
					}
					return nil
				}), nil
			},
		}, {
			Name: "nightly", Description: "has a schedule", Schedule: "0 2 * * *", CatchUp: runs.CatchUpSkip, MaxActive: 4,
			Build: func(context.Context, runs.Run) (*pipeline.Pipeline, error) {
				return one(pipeline.New("nightly", pipeline.Options{}), func(_ context.Context, in *pipeline.Reader[int]) error { return drain(in) }), nil
			},
		},
	}
}

func (r *replica) exec(sql string) {
	r.t.Helper()
	if _, err := r.pool.Exec(r.t.Context(), sql); err != nil {
		r.t.Fatal(err)
	}
}

// response is one that has been read to its end.
type response struct {
	status int
	header http.Header
	body   string
}

func (a response) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

// ask sends a request; header is made of names and values in turn.
func (r *replica) ask(method, path, body string, header ...string) response {
	r.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	return r.send(method, path, reader, header...)
}

func (r *replica) send(method, path string, body io.Reader, header ...string) response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	got, err := r.client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	if by := got.Header.Get("X-Served-By"); by != "replica-7" {
		r.t.Errorf("%s %s: served by %q", method, path, by)
	}
	return response{got.StatusCode, got.Header, string(text)}
}

// want asks and checks the status.
func (r *replica) want(status int, method, path, body string, header ...string) response {
	r.t.Helper()
	a := r.ask(method, path, body, header...)
	if a.status != status {
		r.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// trigger starts a run and returns its ID.
func (r *replica) trigger(name string) string {
	r.t.Helper()
	var run runs.Record
	r.want(http.StatusCreated, "POST", "/api/pipelines/"+name+"/runs", "").json(r.t, &run)
	return run.ID
}

// until waits for a run to come into one of the states.
func (r *replica) until(id string, states ...runs.State) runs.Record {
	r.t.Helper()
	var run runs.Record
	eventually(r.t, func() error {
		r.want(http.StatusOK, "GET", "/api/runs/"+id, "").json(r.t, &run)
		for _, s := range states {
			if run.State == s {
				return nil
			}
		}
		return fmt.Errorf("run %s is %s (%s): %s", id, run.State, run.Reason, run.Error)
	})
	return run
}

// eventually polls until the check passes, for some seconds.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

// lockedBuffer takes a log from several goroutines.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
