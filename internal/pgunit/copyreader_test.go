package pgunit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/internal/pgcodec"
)

// text is a chunk that is no tuple; the reader does not look.
func text(s string) chunk { return chunk{data: []byte(s), rows: int64(len(s))} }

// framed is what a COPY stream of these chunks is.
func framed(chunks ...string) string {
	return string(pgcodec.Binary.AppendTrailer(append(pgcodec.Binary.AppendHeader(nil), strings.Join(chunks, "")...)))
}

// readSome reads until the reader has nothing, or ends.
func readSome(r io.Reader, b *bytes.Buffer) error {
	p := make([]byte, 7)
	for {
		n, err := r.Read(p)
		b.Write(p[:n])
		if err != nil || n == 0 {
			return err
		}
	}
}

func TestAStreamEndsWithItsInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newChunks()
		r := newCopyReader(t.Context(), pgcodec.Binary, q, text("first,"), nil)
		var got bytes.Buffer
		begin := time.Now()
		if err := readSome(r, &got); err != nil || time.Since(begin) != idleRead {
			t.Fatalf("an idle reader says %v after %v", err, time.Since(begin))
		}
		go func() {
			time.Sleep(idleRead / 2) // synctest's clock: nobody waits
			_ = q.put(t.Context(), text("second,"), nil)
			_ = q.put(t.Context(), text("third"), nil)
			q.close()
		}()
		if err := readSome(r, &got); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v", err)
		}
		if got.String() != framed("first,", "second,", "third") {
			t.Errorf("got %q", got.String())
		}
		if n := r.stop(); n != int64(len("first,second,third")) {
			t.Errorf("%d rows", n)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, errStopped) {
			t.Errorf("a read after the end: %v", err)
		}
	})
}

func TestAStreamEndsAtOnceWhenTheTurnIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, wanted := newChunks(), make(chan struct{})
		r := newCopyReader(t.Context(), pgcodec.Binary, q, text("first,"), wanted)
		_ = q.put(t.Context(), text("second"), nil)
		var got bytes.Buffer
		if err := readSome(r, &got); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		go func() {
			time.Sleep(idleRead / 5) // while the reader waits for input
			close(wanted)
		}()
		if err := readSome(r, &got); !errors.Is(err, io.EOF) || time.Since(begin) != idleRead/5 {
			t.Fatalf("got %v after %v", err, time.Since(begin))
		}
		if got.String() != framed("first,", "second") {
			t.Errorf("got %q", got.String())
		}
		r.stop()
	})
}

func TestWhatIsQueuedWhenTheTurnIsWantedIsSentAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, wanted := newChunks(), make(chan struct{})
		r := newCopyReader(t.Context(), pgcodec.Binary, q, text("first,"), wanted)
		_ = q.put(t.Context(), text("second"), nil)
		close(wanted)
		var got bytes.Buffer
		p := make([]byte, len(pgcodec.Binary.AppendHeader(nil))+len("first,"))
		for got.Len() < len(p) {
			n, err := r.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			got.Write(p[:n])
		}
		n, err := r.Read(p) // the second
		if err != nil {
			t.Fatal(err)
		}
		got.Write(p[:n])
		_ = q.put(t.Context(), text("too late"), nil)
		if err := readSome(r, &got); !errors.Is(err, io.EOF) || got.String() != framed("first,", "second") {
			t.Errorf("got %q, %v", got.String(), err)
		}
		if c, ok, _ := q.take(); !ok || string(c.data) != "too late" {
			t.Error("what came too late is lost")
		}
		r.stop()
	})
}

func TestACancelledStreamFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := newCopyReader(ctx, pgcodec.Binary, newChunks(), text("first"), nil)
		var got bytes.Buffer
		if err := readSome(r, &got); err != nil {
			t.Fatal(err)
		}
		go cancel(over)
		begin := time.Now()
		if err := readSome(r, &got); !errors.Is(err, over) || time.Since(begin) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		r.stop()
	})
}

func TestTheQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newChunks()
		big := chunk{data: make([]byte, 3*QueueBytes), rows: 1} // a huge row goes alone
		if err := q.put(t.Context(), big, nil); err != nil {
			t.Fatal(err)
		}
		put := make(chan error, 1)
		go func() { put <- q.put(t.Context(), text("next"), nil) }()
		synctest.Wait()
		if q.length() != 1 {
			t.Error("it did not wait")
		}
		if c, ok, ended := q.take(); !ok || ended || len(c.data) != len(big.data) {
			t.Error("the first is not the first")
		}
		if err := <-put; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.put(ctx, big, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		done := make(chan struct{})
		close(done)
		if err := q.put(t.Context(), big, done); err != nil {
			t.Errorf("got %v", err)
		}
		q.recycle(make([]byte, 10))
		if b := q.buffer(); len(b) != 0 || cap(b) != 10 {
			t.Error("the buffer is not used again")
		}
		q.recycle(make([]byte, 3*ChunkSize))
		if b := q.buffer(); cap(b) > 2*ChunkSize {
			t.Error("a huge buffer is kept")
		}
	})
}
