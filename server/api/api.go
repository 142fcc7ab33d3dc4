package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/time/rate"

	"github.com/millrace/millrace/runs"
)

// Config is what an API needs. Only Replica, Reads and Logger are required.
type Config struct {
	Replica string // name of this replica, in X-Served-By
	Version string // of the server, in the OpenAPI document
	Logger  hclog.Logger

	// Reads is a pool of the database that holds the sales tables. The API only reads
	// from it.
	Reads *pgxpool.Pool

	// APIToken allows everything, ReadToken what changes nothing. Without APIToken nobody is asked
	// for a token.
	APIToken  string
	ReadToken string

	// AllowedHosts are the names by which the server may be asked for, without ports.
	// Without a token they are what keeps a web page that had its own name point to
	// this machine (DNS rebinding) away. Defaults to any.
	AllowedHosts []string

	// TriggerRate is how many runs and backfills may be started a second, with bursts of
	// twice as many. Defaults to 50.
	TriggerRate float64

	// MaxStreams is how many event streams are served at once. Defaults to 500.
	MaxStreams int

	// Page serves all that is no operation. Defaults to a list of the operations.
	Page http.Handler
}

// API answers requests. Its methods may be called from several goroutines.
type API struct {
	config   Config
	log      hclog.Logger
	mux      *http.ServeMux
	huma     huma.API
	handler  http.Handler
	metrics  *metrics
	triggers *rate.Limiter
	data     *sharedRead // of test_table
	ready    *sharedRead // whether the database answers

	service atomic.Pointer[runs.Service] // nil until Serve
	waiting atomic.Pointer[string]       // what is waited for until then

	streams      atomic.Int64
	closing      chan struct{} // closed by Drain
	closeStreams sync.Once
}

// New returns an API that has no service yet.
func New(c Config) *API {
	if c.TriggerRate == 0 {
		c.TriggerRate = 50
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 500
	}
	a := &API{
		config: c, log: c.Logger, mux: http.NewServeMux(),
		triggers: rate.NewLimiter(rate.Limit(c.TriggerRate), max(1, int(2*c.TriggerRate))),
		closing:  make(chan struct{}),
	}
	a.data = &sharedRead{read: a.readData}
	a.ready = &sharedRead{read: a.askDatabase}
	a.Waiting("the server starts")
	a.metrics = newMetrics(a)
	a.huma = humago.New(a.mux, a.document())
	a.huma.UseMiddleware(a.authorize)
	a.registerData()
	a.registerSales()
	a.registerPipelines()
	a.registerTriggers()
	a.registerRuns()
	a.registerLogs()
	a.registerRejects()
	a.registerEvents()
	a.registerHealth()
	a.mux.Handle("GET /metrics", a.withToken(a.metrics.handler()))
	if a.config.Page == nil {
		a.config.Page = plainIndex(a.huma.OpenAPI())
	}
	a.mux.Handle("/", a.rest(a.config.Page))
	a.handler = a.guard(a.mux)
	return a
}

// document is the OpenAPI document without its operations.
func (a *API) document() huma.Config {
	c := huma.DefaultConfig("Millrace", a.config.Version)
	c.Info.Description = "Pipelines, their runs, and what they loaded. Errors are problems as RFC 9457 defines them."
	c.CreateHooks = nil // no $schema field in bodies
	c.DocsPath = ""     // its page loads scripts from elsewhere
	c.SchemasPath = ""
	c.RejectUnknownQueryParameters = true
	strict := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrictly}
	c.Formats = map[string]huma.Format{"application/json": strict, "json": strict}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "The API token, or for reading the read token. None is needed if the server has none."},
	}
	aliasSchemas(c.Components.Schemas)
	return c
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// OpenAPI returns the document of all operations. It must not be changed.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Waiting says, to those who ask for readiness, what the server waits for.
func (a *API) Waiting(what string) { a.waiting.Store(&what) }

// Serve makes the API answer from a service, which has been started.
func (a *API) Serve(s *runs.Service) {
	a.metrics.begin(s.Graphs())
	a.service.Store(s)
}

// Drain makes the server not ready and ends all streams, which must be done before
// http.Server.Shutdown, since that waits for them.
func (a *API) Drain() {
	a.closeStreams.Do(func() {
		a.Waiting("the server shuts down")
		close(a.closing)
	})
}

func (a *API) draining() bool {
	select {
	case <-a.closing:
		return true
	default:
		return false
	}
}

// runs returns the service, or the problem that there is none yet.
func (a *API) runs() (*runs.Service, error) {
	if s := a.service.Load(); s != nil {
		return s, nil
	}
	return nil, unavailable("the server is not ready: " + *a.waiting.Load())
}

// requestTimeout bounds every operation that is not a stream.
const requestTimeout = 12 * time.Second

// register adds an operation whose errors are made into problems, so that no other text of an error reaches a client.
func register[I, O any](a *API, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	a.describe(&op)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problemOf(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

// describe adds what all operations have in common to the document.
func (a *API) describe(op *huma.Operation) {
	op.MaxBodyBytes = maxBody
	op.BodyReadTimeout = bodyTimeout
	op.Security = []map[string][]string{{"token": {}}}
	op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusInternalServerError, http.StatusServiceUnavailable)
	if changes(op) {
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
}

// changes tells whether an operation needs the API token.
func changes(op *huma.Operation) bool { return op.Method != http.MethodGet }
