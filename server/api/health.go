package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type healthOutput struct {
	Body struct {
		Status  string `json:"status" enum:"ok" example:"ok"`
		Replica string `json:"replica"`
		Version string `json:"version"`
	}
}

// readyTimeout bounds the question to the database, so that a balancer gets its answer before it gives up.
const readyTimeout = 2 * time.Second

func (a *API) registerHealth() {
	ok := func() *healthOutput {
		out := &healthOutput{}
		out.Body.Status, out.Body.Replica, out.Body.Version = "ok", a.config.Replica, a.config.Version
		return out
	}
	// Not by register: they need no token, and are the same without a service.
	huma.Register(a.open(), huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the process answers", Tags: []string{"health"},
	}, func(context.Context, *struct{}) (*healthOutput, error) { return ok(), nil })
	huma.Register(a.open(), huma.Operation{
		OperationID: "ready", Method: http.MethodGet, Path: "/readyz",
		Summary: "Whether it can serve: the database answers, the schema is up to date, it does not shut down", Tags: []string{"health"},
		Responses: map[string]*huma.Response{"503": {
			Description: http.StatusText(http.StatusServiceUnavailable),
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schemaOf[huma.ErrorModel](a.huma.OpenAPI().Components.Schemas)}},
		}},
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		if err := a.readiness(ctx); err != nil {
			return nil, err
		}
		return ok(), nil
	})
}

// open is the API without the question for a token.
func (a *API) open() huma.API { return openAPI{a.huma} }

type openAPI struct{ huma.API }

func (openAPI) Middlewares() huma.Middlewares { return nil }

// readiness tells why the server is not ready.
func (a *API) readiness(ctx context.Context) error {
	if _, err := a.runs(); err != nil || a.draining() {
		return unavailable("not ready: " + *a.waiting.Load())
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := a.ready.get(ctx); err != nil {
		a.log.Debug("not ready", "error", err)
		if errors.Is(err, context.DeadlineExceeded) || Unavailable(err) {
			return unavailable("not ready: the database does not answer")
		}
		return unavailable("not ready: the service cannot work with the database; the log says why")
	}
	return nil
}

// askDatabase is the read that those who ask for readiness share.
func (a *API) askDatabase(ctx context.Context) ([]byte, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		return nil, err
	}
	return nil, a.config.Reads.Ping(ctx)
}
