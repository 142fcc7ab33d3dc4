package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	cloud "gocloud.dev/blob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// Open begins a download. One that breaks off, or pauses for 30 s, goes on where it broke.
func (s Store) Open(ctx context.Context, f files.Info, from, to int64) (io.ReadCloser, error) {
	if err := s.check(f.Name); err != nil {
		return nil, err
	}
	if f.Size >= 0 && (to < 0 || to > f.Size) {
		to = f.Size
	}
	ctx, end := context.WithCancel(ctx)
	r := &reader{f: f, at: from, to: to, end: end, stopped: func() error { return context.Cause(ctx) }}
	r.ask = func() (*cloud.Reader, context.CancelFunc, error) { return s.ask(ctx, r.f, r.at, r.to) }
	r.explain = func(err error) error { return s.explain(ctx, err) }
	r.retry = func(try func() error) error { return retry(ctx, try) }
	if from > 0 && from == to { // a range of nothing is none to ask for
		now, err := s.Stat(ctx, f.Name)
		if err == nil && f.Version != "" && now.Version != f.Version {
			err = nameError(f.Name, errChanged)
		}
		r.ended = true
		if err != nil {
			end()
		}
		return r, err
	}
	if err := r.connect(); err != nil {
		end()
		return nil, nameError(f.Name, err)
	}
	return r, nil
}

var errChanged = &changedError{"the object has changed since it was looked up"}

// ask sends one request for what is still to be read.
func (s Store) ask(ctx context.Context, f files.Info, at, to int64) (*cloud.Reader, context.CancelFunc, error) {
	length := int64(-1)
	if to >= 0 && (at > 0 || to != f.Size) {
		length = to - at
	}
	request, cancel := context.WithCancel(ctx)
	slow := time.AfterFunc(patience, cancel)
	r, err := s.Bucket.NewRangeReader(request, f.Name, at, length, &cloud.ReaderOptions{BeforeRead: pin(f.Version)})
	if !slow.Stop() && err != nil {
		err = errNoAnswer
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return r, cancel, nil
}

// reader reads an object, and asks for the rest of it when the connection breaks.
type reader struct {
	reading sync.Mutex // Close may come while a Read waits, and the body takes one of them at a time
	end     func()     // ends a Read that waits, and what it would ask for

	f      files.Info // its Version is known after the first answer
	at, to int64      // what is still to be read; a negative to before the first answer is the end

	stopped func() error // why the context has ended, nil before
	ask     func() (*cloud.Reader, context.CancelFunc, error)
	explain func(error) error
	retry   func(func() error) error

	body   *cloud.Reader
	cancel context.CancelFunc
	ended  bool
	breaks int // since a byte came
}

// maxBreaks is how often a download may break off without a byte in between.
const maxBreaks = 5

// connect asks for what is still to be read, and sees to it that the answer is of the same version.
func (r *reader) connect() error {
	body, cancel, err := r.ask()
	if err != nil {
		return r.explain(err)
	}
	version, size := openedVersion(body), body.Size()
	switch {
	case r.f.Version != "" && version != "" && version != r.f.Version:
		err = errChanged
	case r.f.Size >= 0 && size >= 0 && size != r.f.Size:
		err = &changedError{fmt.Sprintf("the object has %d bytes now, and had %d when it was looked up", size, r.f.Size)}
	}
	if err != nil {
		cancel()
		_ = body.Close()
		return err
	}
	r.drop()
	r.body, r.cancel = body, cancel
	r.f.Version, r.f.Size = version, size
	if r.to < 0 || r.to > size {
		r.to = size
	}
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if r.ended {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if err := r.stopped(); err != nil {
			return 0, err
		}
		n, err := r.some(p)
		if n > 0 || err == nil || err == io.EOF {
			return n, err
		}
		if stop := r.stopped(); stop != nil {
			return 0, stop
		}
		broken := r.explain(err)
		if pipeline.IsPermanent(broken) || r.at >= r.to { // what came is not what was sent: a checksum says so
			return 0, broken
		}
		r.breaks++
		failed := errors.New("it broke off each time before a byte came")
		if r.breaks <= maxBreaks {
			failed = r.retry(r.connect)
		}
		if failed != nil {
			if errors.Is(failed, files.ErrChanged) {
				return 0, failed
			}
			return 0, fmt.Errorf("the download broke off after %d bytes (%w) and could not be resumed: %w", r.at, broken, failed)
		}
	}
}

// some reads from the body there is. Its end is io.EOF only if it came where it should.
func (r *reader) some(p []byte) (int, error) {
	// A body knows no deadline: a request that is cancelled ends its reads.
	stalled := time.AfterFunc(stall, r.cancel)
	n, err := r.body.Read(p)
	if !stalled.Stop() && err != nil && err != io.EOF {
		err = pipeline.Transient(fmt.Errorf("no byte came for %v", stall))
	}
	r.at += int64(n)
	switch {
	case r.at > r.to:
		return 0, pipeline.Permanent(errors.New("the service sent more than it said: is the object stored as packed (Content-Encoding) and unpacked on its way?"))
	case n > 0:
		r.breaks = 0
		return n, nil
	case err == nil:
		return 0, nil
	case err != io.EOF:
		return 0, err
	case r.at < r.to:
		return 0, fmt.Errorf("%d bytes were missing: %w", r.to-r.at, io.ErrUnexpectedEOF)
	}
	r.ended = true
	return 0, io.EOF
}

func (r *reader) drop() {
	if r.body != nil {
		r.cancel()
		_ = r.body.Close()
	}
}

// Close ends the download.
func (r *reader) Close() error {
	r.end()
	r.reading.Lock()
	defer r.reading.Unlock()
	r.drop() // what a cancelled body says of it is no news
	return nil
}

// retry calls try until it succeeds, fails for good, or patience is up.
func retry(ctx context.Context, try func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = 10 * time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		if err != nil && (pipeline.IsPermanent(err) || errors.Is(err, files.ErrChanged) || ctx.Err() != nil) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(patience))
	if permanent, ok := errors.AsType[*backoff.PermanentError](err); ok {
		err = permanent.Unwrap()
	}
	return err
}
