package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/millrace/millrace/pipeline"
)

// HTTP reads files from a web server: names are URLs, or, with Base, what follows it. A server cannot list, so that a
// name cannot be a pattern.
//
// A download that breaks is resumed where it broke, if the server knows ranges and tells by a strong ETag or a date
// that it is still the same file (RFC 9110); an answer that is shorter than it said is such a break. What may pass (a
// connection that fails, 408, 429, 5xx) is tried again, after as long as Retry-After asks for, up to MaxWait in all. At
// most 10 redirects are followed, none to another scheme; Header goes to the first host only.
type HTTP struct {
	// Base stands before each name, such as https://example.org/sales/. Defaults to none.
	Base string

	// Header is sent with each request: an authorization, say.
	Header http.Header

	// Client sends the requests; its CheckRedirect is replaced. Defaults to one of this package's own, which waits 30 s
	// for an answer to begin.
	Client *http.Client

	// Stall is how long no byte may come before a download counts as broken. Defaults to 30 s.
	Stall time.Duration

	// MaxWait bounds the time from a failure to the last attempt to make up for it. Defaults to 1 min; negative does
	// not try again.
	MaxWait time.Duration
}

const (
	defaultStall   = 30 * time.Second
	defaultMaxWait = time.Minute
	maxRedirects   = 10
)

var defaultClient = func() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is one
	t.ResponseHeaderTimeout = 30 * time.Second
	t.DisableCompression = true // the bytes and their offsets are those of the file
	return &http.Client{Transport: t}
}()

// List fails: HTTP has no way to list files.
func (h HTTP) List(context.Context, string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		yield(Info{}, fmt.Errorf("HTTP cannot list files: %w", errors.ErrUnsupported))
	}
}

// Stat asks for the head of a file, or for its first byte where the server does not answer that.
func (h HTTP) Stat(ctx context.Context, name string) (Info, error) {
	var info Info
	err := h.retry(ctx, func() error {
		response, err := h.do(ctx, http.MethodHead, name, nil)
		if errors.Is(err, errMethod) {
			response, err = h.do(ctx, http.MethodGet, name, http.Header{"Range": {"bytes=0-0"}})
		}
		if err != nil {
			return err
		}
		defer response.Body.Close()
		info = infoOfResponse(name, response)
		return nil
	})
	return info, h.named(name, err)
}

// errMethod says that a server does not answer HEAD.
var errMethod = errors.New("the server does not answer HEAD")

func infoOfResponse(name string, r *http.Response) Info {
	f := Info{Name: name, Size: r.ContentLength}
	if r.StatusCode == http.StatusPartialContent {
		_, f.Size = contentRange(r)
	}
	if modified, err := http.ParseTime(r.Header.Get("Last-Modified")); err == nil {
		f.Modified = modified
	}
	switch tag := r.Header.Get("ETag"); {
	case strings.HasPrefix(tag, `"`):
		f.Version = tag
	case !f.Modified.IsZero():
		f.Version = f.Modified.UTC().Format(http.TimeFormat)
	}
	return f
}

// contentRange reads "bytes 0-0/1234": where the answer begins, and the size of the file; -1 what is not known.
func contentRange(r *http.Response) (from, size int64) {
	span, total, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		from = -1
	}
	if size, err = strconv.ParseInt(total, 10, 64); err != nil {
		size = -1
	}
	return from, size
}

// Open begins a download.
func (h HTTP) Open(ctx context.Context, f Info, from, to int64) (io.ReadCloser, error) {
	if f.Size >= 0 && (to < 0 || to > f.Size) {
		to = f.Size
	}
	d := &download{halted: haltOn(ctx), f: f, at: from, to: to, stall: h.Stall}
	if d.stall <= 0 {
		d.stall = defaultStall
	}
	d.retry = func(try func() error) error { return h.retry(ctx, try) }
	d.ask = func(header http.Header) (*http.Response, context.CancelFunc, error) {
		request, cancel := context.WithCancel(ctx)
		response, err := h.do(request, http.MethodGet, f.Name, header)
		if err != nil {
			cancel()
			return nil, nil, err
		}
		return response, cancel, nil
	}
	if err := d.retry(d.connect); err != nil {
		return nil, h.named(f.Name, err)
	}
	return d, nil
}

// do sends one request. An answer that is none of a file is an error.
func (h HTTP) do(ctx context.Context, method, name string, header http.Header) (*http.Response, error) {
	target, err := url.Parse(h.Base + name)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, pipeline.Permanent(errors.New("this is no URL of http or https"))
	}
	request, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, pipeline.Permanent(errors.New("this is no URL of http or https"))
	}
	for k, v := range h.Header {
		request.Header[k] = v
	}
	for k, v := range header {
		request.Header[k] = v
	}
	request.Header.Set("Accept-Encoding", "identity")
	client := defaultClient
	if h.Client != nil {
		client = h.Client
	}
	own := *client
	own.CheckRedirect = h.redirect
	response, err := own.Do(request)
	if err != nil {
		return nil, clientError(ctx, err)
	}
	if err := statusError(method, response); err != nil {
		_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection may be used again
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// redirect refuses what a redirect must not do.
func (h HTTP) redirect(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	switch {
	case len(before) > maxRedirects:
		return pipeline.Permanent(fmt.Errorf("the server redirects more than %d times", maxRedirects))
	case next.URL.Scheme != first.Scheme:
		return pipeline.Permanent(fmt.Errorf("the server redirects from %s to %s, which is not followed: name the URL that it leads to", first.Scheme, next.URL.Scheme))
	case next.URL.Host != first.Host:
		for k := range h.Header {
			next.Header.Del(k)
		}
	}
	return nil
}

// clientError leaves the URL out, which may hold a secret, and is named by whoever calls.
func clientError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if pipeline.IsPermanent(err) {
		return err
	}
	return pipeline.Transient(err)
}

// statusError says what a status means that is not one of success.
func statusError(method string, r *http.Response) error {
	text := fmt.Sprintf("the server answers %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	switch code := r.StatusCode; {
	case code == http.StatusOK, code == http.StatusPartialContent:
		return nil
	case method == http.MethodHead && (code == http.StatusMethodNotAllowed || code == http.StatusNotImplemented || code == http.StatusForbidden):
		return errMethod
	case code == http.StatusNotFound, code == http.StatusGone:
		return pipeline.Permanent(fmt.Errorf("%s: %w", text, fs.ErrNotExist))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return pipeline.Permanent(fmt.Errorf("%s: set Header to what it wants: %w", text, fs.ErrPermission))
	case code == http.StatusPreconditionFailed, code == http.StatusRequestedRangeNotSatisfiable:
		return &changedError{"the file on the server has changed since it was looked up (" + text + ")"}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		err := pipeline.Transient(errors.New(text))
		if wait := retryAfter(r); wait > 0 {
			return &busyError{err, wait}
		}
		return err
	}
	return pipeline.Permanent(errors.New(text))
}

// busyError is an error after which the server asked to wait.
type busyError struct {
	error
	wait time.Duration
}

func (e *busyError) Unwrap() error { return e.error }

func retryAfter(r *http.Response) time.Duration {
	value := r.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

// retry calls try until it succeeds, fails for good, or time is up.
func (h HTTP) retry(ctx context.Context, try func() error) error {
	limit := h.MaxWait
	if limit == 0 {
		limit = defaultMaxWait
	}
	if limit < 0 {
		return try()
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = 10 * time.Second
	began := time.Now()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		var busy *busyError
		switch {
		case err == nil:
			return struct{}{}, nil
		case ctx.Err() != nil:
			return struct{}{}, backoff.Permanent(ctx.Err())
		case pipeline.IsPermanent(err), errors.Is(err, ErrChanged):
			return struct{}{}, backoff.Permanent(err)
		case errors.As(err, &busy):
			if time.Since(began)+busy.wait > limit {
				return struct{}{}, backoff.Permanent(err)
			}
			return struct{}{}, &backoff.RetryAfterError{Duration: busy.wait}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(limit))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Unwrap()
	}
	return err
}

func (h HTTP) named(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return nameError(withoutSecrets(h.Base+name), err)
}
