package blob

import (
	"context"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	cloud "gocloud.dev/blob"
)

// s3Upload sends what is written to S3. It is what gocloud does with the same client, but for two settings that it lacks:
// how much is held before the first part, and that parts of an upload which failed are dropped also when its context has
// ended. S3 would keep and bill them.
type s3Upload struct {
	send func(contentType string, body io.Reader) error
	pipe *io.PipeWriter // nil before the first byte
	done chan error
}

func (s Store) uploadToS3(ctx context.Context, name string) (*s3Upload, error) {
	var (
		client *transfermanager.Client
		in     *transfermanager.UploadObjectInput
	)
	_, err := s.Bucket.NewWriter(ctx, name, &cloud.WriterOptions{
		ContentType: "application/octet-stream", BufferSize: partSize, MaxConcurrency: partsAt,
		BeforeWrite: func(as func(any) bool) error {
			as(&client)
			as(&in)
			return errSeen
		},
	})
	if client == nil || in == nil {
		return nil, err
	}
	return &s3Upload{done: make(chan error, 1), send: func(contentType string, body io.Reader) error {
		in.Body, in.ContentType = body, &contentType
		_, err := client.UploadObject(ctx, in, func(o *transfermanager.Options) {
			o.MultipartUploadThreshold, o.FailTimeout = partSize, patience
		})
		return err
	}}, nil
}

// Write implements io.Writer.
func (u *s3Upload) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if u.pipe == nil {
		u.begin(p)
	}
	return u.pipe.Write(p)
}

func (u *s3Upload) begin(first []byte) {
	body, pipe := io.Pipe()
	u.pipe = pipe
	go func() {
		err := u.send(http.DetectContentType(first), body)
		_ = body.CloseWithError(err) // it cannot fail
		u.done <- err
	}()
}

// Close waits until S3 has the object.
func (u *s3Upload) Close() error {
	if u.pipe == nil {
		u.begin(nil)
	}
	_ = u.pipe.Close() // it cannot fail
	return <-u.done
}
