package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/runs"
)

// Huma makes all its errors by this variable; here they get our rules.
func init() { huma.NewError = newProblem }

// problem is an error of ours: its detail was written for clients.
func problem(status int, detail string, where ...*huma.ErrorDetail) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail, Errors: where}
}

// newProblem makes the errors that Huma finds: what is wrong with a request.
func newProblem(status int, detail string, errs ...error) huma.StatusError {
	if detail == "cannot read request body" { // a torn or malformed one, which Huma takes for an error of the server
		return problem(http.StatusBadRequest, "the request's body could not be read")
	}
	if status >= http.StatusInternalServerError {
		return problem(status, http.StatusText(status)) // errs are of the inside
	}
	p := problem(status, detail)
	for _, err := range errs {
		d := &huma.ErrorDetail{Message: "invalid"}
		var e huma.ErrorDetailer
		if errors.As(err, &e) {
			*d = *e.ErrorDetail()
		} else if err != nil {
			d.Message = err.Error()
		}
		d.Value = echo(d)
		p.Errors = append(p.Errors, d)
	}
	return p
}

// echo returns what may be shown again of a value that was refused: nothing of bodies, which may hold anything, and no
// long texts.
func echo(d *huma.ErrorDetail) any {
	switch v := d.Value.(type) {
	case bool, float64, int, int64:
		return v
	case string:
		if d.Location != "body" && len(v) <= 100 {
			return v
		}
	}
	return nil
}

// unavailable is an error that is worth asking again for.
func unavailable(detail string) error {
	return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, detail), http.Header{"Retry-After": {"2"}})
}

// tooMany refuses what comes too often; seconds is when it may come again.
func tooMany(detail string, seconds int) error {
	return huma.ErrorWithHeaders(problem(http.StatusTooManyRequests, detail), http.Header{"Retry-After": {strconv.Itoa(seconds)}})
}

// problemOf makes what a client is told of an error, and logs what it is not told.
func (a *API) problemOf(ctx context.Context, operation string, err error) error {
	if _, ok := errors.AsType[*huma.ErrorModel](err); ok {
		return err
	}
	if mistake, ok := errors.AsType[*runs.Error](err); ok {
		return problemOfMistake(mistake)
	}
	id := newID()
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return unavailable("the request was given up") // nobody reads this
	case Unavailable(err):
		a.log.Warn("the database did not answer", "operation", operation, "instance", id, "error", err)
		return unavailable("the database cannot be reached at the moment")
	}
	a.log.Error("an operation failed", "operation", operation, "instance", id, "error", err)
	p := problem(http.StatusInternalServerError, "something went wrong inside; the log of replica "+a.config.Replica+" says what, under this problem's instance")
	p.Instance = "urn:millrace:problem:" + id
	return p
}

func problemOfMistake(mistake *runs.Error) error {
	status := http.StatusUnprocessableEntity
	switch {
	case errors.Is(mistake, runs.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(mistake, runs.ErrConflict):
		status = http.StatusConflict
	}
	p := problem(status, mistake.Message)
	if mistake.Field != "" {
		p.Errors = []*huma.ErrorDetail{{Message: mistake.Message, Location: mistake.Field}}
	}
	return p
}

// Unavailable tells whether an error of a database may go away by itself: there is no server, or one that starts, stops
// or has no connection left, or nobody has made the user or the database yet. All else (a privilege, a schema) stays.
func Unavailable(err error) bool {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch refused.Code[:min(2, len(refused.Code))] {
		case "08", "28", "3D", "40", "53", "55", "57", "58":
			return true
		}
		return false
	}
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &connecting) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.Timeout(err) || pgconn.SafeToRetry(err)
}

// newID returns a random name for a problem.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
