package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// download reads the body of an answer, and asks for the rest of it when that breaks.
type download struct {
	*halted
	f      Info
	at, to int64 // what is still to be read; a negative to is the end
	stall  time.Duration

	ask    func(http.Header) (*http.Response, context.CancelFunc, error)
	retry  func(func() error) error
	body   io.ReadCloser
	cancel context.CancelFunc
	left   int64 // in body; -1 unknown
	ended  bool
	breaks int // since a byte came
}

// maxBreaks is how often a download may break off without a byte in between.
const maxBreaks = 5

// connect asks for what is still to be read.
func (d *download) connect() error {
	header := http.Header{}
	if d.at > 0 || d.to >= 0 && d.to != d.f.Size {
		span := fmt.Sprintf("bytes=%d-", d.at)
		if d.to >= 0 {
			span += fmt.Sprint(d.to - 1)
		}
		header.Set("Range", span)
	}
	switch {
	case d.f.Version == "":
		if d.at > 0 && d.body != nil {
			return pipeline.Transient(errors.New("the download broke off, and the server tells neither an ETag nor a date by which to resume it"))
		}
	case d.f.Version[0] == '"':
		header.Set("If-Match", d.f.Version)
	default:
		header.Set("If-Unmodified-Since", d.f.Version)
	}
	response, cancel, err := d.ask(header)
	if err != nil {
		return err
	}
	now := infoOfResponse(d.f.Name, response)
	from := int64(0)
	if response.StatusCode == http.StatusPartialContent {
		from, _ = contentRange(response)
	}
	switch {
	case d.f.Version != "" && now.Version != "" && now.Version != d.f.Version,
		d.f.Size >= 0 && now.Size >= 0 && now.Size != d.f.Size:
		err = &changedError{"the file on the server has changed since it was looked up"}
	case from != d.at && header.Get("Range") != "":
		err = pipeline.Permanent(errors.New("the server does not know ranges, so that it can be read only from its start to its end, without a break"))
	}
	if err != nil {
		_ = response.Body.Close()
		cancel()
		return err
	}
	d.drop()
	d.body, d.cancel, d.left = response.Body, cancel, response.ContentLength
	return nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.ended || d.to >= 0 && d.at >= d.to {
		return 0, io.EOF
	}
	for {
		if err := d.stopped(); err != nil {
			return 0, err
		}
		n, err := d.some(p)
		if n > 0 || err == nil || isEOF(err) {
			return n, err
		}
		if stop := d.stopped(); stop != nil {
			return 0, stop
		}
		d.breaks++
		failed := errors.New("it broke off each time before a byte came")
		if d.breaks <= maxBreaks {
			failed = d.retry(d.connect)
		}
		if failed != nil {
			if errors.Is(failed, ErrChanged) {
				return 0, failed
			}
			return 0, fmt.Errorf("the download broke off after %d bytes (%w) and could not be resumed: %w", d.at, err, failed)
		}
	}
}

// some reads from the body there is. Its end is io.EOF only if it came where it should.
func (d *download) some(p []byte) (int, error) {
	if d.to >= 0 {
		p = p[:min(int64(len(p)), d.to-d.at)]
	}
	// A body knows no deadline: a request that is cancelled ends its reads.
	stalled := time.AfterFunc(d.stall, d.cancel)
	n, err := d.body.Read(p)
	if !stalled.Stop() && err != nil {
		err = fmt.Errorf("no byte came for %v", d.stall)
	}
	d.at += int64(n)
	switch {
	case n > 0:
		d.breaks = 0
		return n, nil
	case !isEOF(err):
		return 0, err
	case d.to >= 0 && d.at < d.to:
		return 0, io.ErrUnexpectedEOF
	}
	d.ended = true
	return 0, io.EOF
}

func (d *download) drop() {
	if d.body != nil {
		d.cancel()
		_ = d.body.Close()
	}
}

// Close ends the download.
func (d *download) Close() error {
	d.cancel() // before the body, whose Close would read what is left
	return d.body.Close()
}
