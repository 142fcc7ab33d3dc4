package files

import (
	"context"
	"errors"
	"io"
	"time"
)

const (
	pumpPiece  = 64 << 10 // bytes
	pumpPieces = 3
	// pumpGrace is how long a Read is waited for whose file was closed under it.
	pumpGrace = time.Second
)

// pump reads ahead in a goroutine of its own, so that whoever reads from it can
// be called away while the input waits: for somebody to type, for the other end
// of a pipe, for a server.
type pump struct {
	*halted
	full    chan pumped
	empty   chan []byte
	quit    chan struct{}
	ended   chan struct{}
	closer  func() error
	idle    func() error
	current pumped
	rest    []byte
	total   int64
	err     error
}

type pumped struct {
	data []byte
	err  error
}

// newPump starts the reading. A nil closer leaves r open, and leaves a Read that
// waits at the end to itself.
func newPump(ctx context.Context, r io.Reader, closer, idle func() error) *pump {
	p := &pump{
		halted: haltOn(ctx),
		full:   make(chan pumped, pumpPieces), empty: make(chan []byte, pumpPieces),
		quit: make(chan struct{}), ended: make(chan struct{}),
		closer: closer, idle: idle,
	}
	for range pumpPieces {
		p.empty <- make([]byte, pumpPiece)
	}
	go p.run(r)
	return p
}

func (p *pump) run(r io.Reader) {
	defer close(p.ended)
	for {
		var piece []byte
		select {
		case piece = <-p.empty:
		case <-p.quit:
			return
		}
		n, err := readSome(r, piece)
		p.full <- pumped{piece[:n], err} // never waits: there are as many places as pieces
		if err != nil {
			return
		}
	}
}

// readSome reads at least a byte.
func readSome(r io.Reader, piece []byte) (int, error) {
	for range 100 {
		n, err := r.Read(piece)
		if n < 0 || n > len(piece) {
			return 0, errors.New("the reader returned an impossible count")
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// Read implements io.Reader.
func (p *pump) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.current.err != nil {
			return 0, p.current.err
		}
		if err := p.next(); err != nil {
			p.err = err
			return 0, err
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	p.total += int64(n)
	return n, nil
}

func (p *pump) next() error {
	if err := p.stopped(); err != nil {
		return err
	}
	if p.current.data != nil {
		p.empty <- p.current.data[:cap(p.current.data)]
		p.current.data = nil
	}
	select {
	case p.current = <-p.full:
	default:
		// What was read so far must not lie still while the input waits.
		if p.idle != nil {
			if err := p.idle(); err != nil {
				return err
			}
		}
		select {
		case p.current = <-p.full:
		case <-p.done:
			return p.cause()
		}
	}
	p.rest = p.current.data
	if err := p.current.err; err != nil && !isEOF(err) {
		p.err = err
	}
	return nil
}

func (p *pump) count() int64                   { return p.total }
func (p *pump) failure() error                 { return p.err }
func (p *pump) at() (io.ReaderAt, int64, bool) { return nil, 0, false }

// close ends the reading. A Read that ignores that its file was closed keeps its
// goroutine; nothing can be done about that.
func (p *pump) close() {
	close(p.quit)
	if p.closer == nil {
		return
	}
	p.closer() //nolint:errcheck // everything was read, or nobody wants it any more
	timer := time.NewTimer(pumpGrace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
	}
}
