package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	cloud "gocloud.dev/blob"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

const (
	partSize  = 8 << 20 // bytes of a part of an upload
	partsAt   = 2       // parts that are sent at once
	s3MaxPart = 10_000  // parts of an upload to S3
)

// Create begins an upload, which ends with ctx. The object appears when the draft is closed, whole.
func (s Store) Create(ctx context.Context, name string) (files.Draft, error) {
	if err := s.check(name); err != nil {
		return nil, err
	}
	upload, cancel := context.WithCancelCause(ctx)
	w, err := s.Bucket.NewWriter(upload, name, &cloud.WriterOptions{BufferSize: partSize, MaxConcurrency: partsAt})
	if err != nil {
		cancel(nil)
		return nil, nameError(name, s.explain(ctx, err))
	}
	d := &draft{w: w, cancel: cancel}
	d.explain = func(err error) error { return nameError(name, s.explain(ctx, err)) }
	d.remove = func() error { return s.Remove(context.WithoutCancel(ctx), name) }
	d.dropParts = func(err error) error { return s.dropParts(context.WithoutCancel(ctx), name, err) }
	if s.Bucket.As(new(*s3.Client)) {
		d.limit = s3MaxPart * partSize
	}
	return d, nil
}

// draft is an object that is being uploaded.
type draft struct {
	w         *cloud.Writer
	cancel    context.CancelCauseFunc
	explain   func(error) error
	remove    func() error
	dropParts func(error) error // what the upload that failed so has left
	limit     int64             // in bytes; 0 is none
	written   int64
	ended     bool
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
	if err == nil {
		return nil
	}
	if left := d.dropParts(err); left != nil {
		return fmt.Errorf("%w; %w", d.explain(err), left)
	}
	return d.explain(err)
}

// Abort drops what was sent. It returns when the service knows.
func (d *draft) Abort() error {
	if d.ended {
		return nil
	}
	d.ended = true
	d.cancel(errAborted)
	err := d.w.Close()
	if err == nil { // what takes no notice of a context has published half a file
		return d.remove()
	}
	return d.dropParts(err)
}

// dropParts ends an upload to S3 that failed. The client tells S3 so itself, but in the context of the upload, and so not
// once that has ended; then S3 would keep the parts.
func (s Store) dropParts(ctx context.Context, name string, failed error) error {
	type upload interface {
		error
		UploadID() string
	}
	var client *s3.Client
	of, ok := errors.AsType[upload](failed)
	if !ok || !s.Bucket.As(&client) {
		return nil
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	in, err := s.asS3(ctx, name, name)
	if err == nil {
		id := of.UploadID()
		_, err = client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: in.Bucket, Key: in.Key, UploadId: &id})
	}
	if err == nil || answerOf(err).is("NoSuchUpload") {
		return nil
	}
	return nameError(name, fmt.Errorf("the parts that were sent could not be dropped: %w", s.explain(ctx, err)))
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
