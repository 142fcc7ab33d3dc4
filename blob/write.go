package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	cloud "gocloud.dev/blob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

const (
	partSize  = 5 << 20 // bytes of a part of an upload, the least that S3 takes
	partsAt   = 2       // parts that are sent at once
	s3MaxPart = 10_000  // parts of an upload to S3
)

// Create begins an upload, which ends with ctx. The object appears when the draft is closed, whole.
func (s Store) Create(ctx context.Context, name string) (files.Draft, error) {
	if err := s.check(name); err != nil {
		return nil, err
	}
	upload, cancel := context.WithCancelCause(ctx)
	d := &draft{cancel: cancel}
	var err error
	if s.Bucket.As(new(*s3.Client)) {
		d.limit = s3MaxPart * partSize
		d.w, err = s.uploadToS3(upload, name)
	} else {
		d.w, err = s.Bucket.NewWriter(upload, name, &cloud.WriterOptions{BufferSize: partSize, MaxConcurrency: partsAt})
	}
	if err != nil {
		cancel(nil)
		return nil, nameError(name, s.explain(ctx, err))
	}
	d.explain = func(err error) error { return nameError(name, s.explain(ctx, err)) }
	d.remove = func() error { return s.Remove(context.WithoutCancel(ctx), name) }
	return d, nil
}

// draft is an object that is being uploaded.
type draft struct {
	w       io.WriteCloser
	cancel  context.CancelCauseFunc
	explain func(error) error
	remove  func() error
	limit   int64 // in bytes; 0 is none
	written int64
	ended   bool
}

// Write implements io.Writer.
func (d *draft) Write(p []byte) (int, error) {
	if d.limit > 0 && d.written+int64(len(p)) > d.limit {
		return 0, d.explain(pipeline.Permanent(fmt.Errorf("an upload to S3 has at most %d parts of %d MiB each, which is full: write several files",
			s3MaxPart, partSize>>20)))
	}
	n, err := d.w.Write(p)
	d.written += int64(n)
	return n, d.explain(err)
}

// Close sends the rest, and lets others see the object.
func (d *draft) Close() error {
	if d.ended {
		return fs.ErrClosed
	}
	d.ended = true
	err := d.w.Close()
	d.cancel(nil)
	return d.explain(err)
}

// Abort drops what was sent. It returns when the service knows.
func (d *draft) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	d.cancel(errAborted)
	if d.w.Close() == nil { // what takes no notice of a context has published half a file
		return d.remove()
	}
	return nil
}

// Move copies an object within the bucket, and then deletes the old one. The copy replaces what has the name at once. Whatever
// comes between the two, doing both again is harmless.
func (s Store) Move(ctx context.Context, from, to string) error {
	if err := errors.Join(s.check(from), s.check(to)); err != nil {
		return err
	}
	info, err := s.Stat(ctx, from)
	if err != nil || from == to {
		return err
	}
	if err := s.copy(ctx, info, to); err != nil {
		return nameError(to, fmt.Errorf("it could not be copied from %s: %w", from, s.explain(ctx, err)))
	}
	return s.Remove(ctx, from)
}

func (s Store) copy(ctx context.Context, from files.Info, to string) error {
	var client *s3.Client
	if from.Size <= copyLimit || !s.Bucket.As(&client) {
		return s.Bucket.Copy(ctx, to, from.Name, nil)
	}
	return s.copyInParts(ctx, client, from, to)
}

// Remove deletes an object.
func (s Store) Remove(ctx context.Context, name string) error {
	if err := s.check(name); err != nil {
		return err
	}
	question, cancel := patient(ctx)
	defer cancel()
	err := nameError(name, s.explain(ctx, s.Bucket.Delete(question, name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
