package csvcodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A SplitPoint is where a part of an input begins: always with a record.
type SplitPoint struct {
	// Offset is the part's first byte, from 0.
	Offset int64
	// Line is the physical line, from 1, that begins there.
	Line int
}

const splitPiece = 1 << 20 // what the first pass reads at once

// SplitPoints cuts an input of size bytes into n parts of about the same size
// that can be read side by side, and returns where each begins; a part ends
// where the next begins, the last one at size. There are fewer parts when
// records are too long for n, and at least one.
//
// o.StartOffset and o.StartLine say where the first part begins, behind a
// header for instance; a scanner's Offset and Line say that. Each part is read from
// [NewRange] with its point as StartOffset and StartLine, and
// all parts together give the same records, errors, lines and offsets as the
// whole.
//
// It reads the input once, up to the last part, and looks at little but its
// quotes, because a line feed inside quotes ends no record.
// With o.Comment set every line has to be looked at, which takes longer.
func SplitPoints(r io.ReaderAt, size int64, n int, o ScanOptions) ([]SplitPoint, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	start := o.StartOffset
	points := []SplitPoint{{start, o.StartLine}}
	if size < start {
		return nil, fmt.Errorf("the input is %d bytes and was to be read from %d", size, start)
	}
	// target is where part k would begin if records had no length.
	target := func(k int) int64 { return start + (size-start)/int64(n)*int64(k) }
	if o.Comment != 0 || rulesOf(o.Dialect) != nil || start == 0 && o.Dialect.SkipLines > 0 {
		return splitByRecords(r, size, n, o, points, target)
	}
	w := splitWalk{r: r, size: size, at: start, line: o.StartLine, comma: o.Comma}
	w.walk.prev = '\n' // a quote may open the first field
	if start == 0 {
		if err := w.skipMark(); err != nil {
			return nil, err
		}
	}
	for k := 1; k < n; k++ {
		if target(k) <= w.at {
			continue // a record reaches beyond several targets
		}
		// A record may begin at the target itself, behind a line feed just before it.
		if err := w.skipTo(target(k) - 1); err != nil {
			return nil, err
		}
		if err := w.skipRecord(); err != nil {
			return nil, err
		}
		if w.at >= size {
			break
		}
		points = append(points, SplitPoint{w.at, w.line})
	}
	return points, nil
}

// splitByRecords reads every record, and cuts between two.
func splitByRecords(r io.ReaderAt, size int64, n int, o ScanOptions, points []SplitPoint, target func(k int) int64) ([]SplitPoint, error) {
	s, err := NewScanner(NewRange(r, o.StartOffset, size), o)
	if err != nil {
		return nil, err
	}
	for k := 1; k < n; {
		if _, err = s.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				return points, nil
			}
			if _, bad := errors.AsType[*Error](err); !bad {
				return nil, err
			}
			if s.discarding {
				continue // the record's end is not known yet
			}
		}
		at := s.Offset()
		if at < target(k) || at >= size {
			continue
		}
		points = append(points, SplitPoint{at, s.Line()})
		for k < n && target(k) <= at {
			k++
		}
	}
	return points, nil
}

// A splitWalk follows the quotes through the input.
type splitWalk struct {
	r     io.ReaderAt
	size  int64
	at    int64 // everything before is walked over
	line  int   // of at
	comma byte
	walk  quoteWalk

	buf  []byte
	from int64 // the input offset of buf[0]
}

// rest returns some of the input from at on; nothing at its end.
func (w *splitWalk) rest() ([]byte, error) {
	if w.at >= w.size {
		return nil, nil
	}
	if i := w.at - w.from; i < int64(len(w.buf)) {
		return w.buf[i:], nil
	}
	if w.buf == nil {
		w.buf = make([]byte, min(splitPiece, w.size-w.at))
	}
	w.buf = w.buf[:min(int64(cap(w.buf)), w.size-w.at)]
	w.from = w.at
	n, err := w.r.ReadAt(w.buf, w.at)
	if n < len(w.buf) {
		w.buf = w.buf[:0]
		if errors.Is(err, io.EOF) {
			err = shrunk(w.at+int64(n), w.size)
		}
		return nil, err
	}
	return w.buf, nil
}

// skipMark walks over a byte order mark.
func (w *splitWalk) skipMark() error {
	b, err := w.rest()
	if bytes.HasPrefix(b, byteOrderMark) {
		w.at += int64(len(byteOrderMark))
	}
	return err
}

// skipTo walks to the offset target.
func (w *splitWalk) skipTo(target int64) error {
	for w.at < target {
		b, err := w.rest()
		if err != nil {
			return err
		}
		b = b[:min(int64(len(b)), target-w.at)]
		w.walk.skip(b, w.comma)
		w.line += bytes.Count(b, lineFeed)
		w.at += int64(len(b))
	}
	return nil
}

// skipRecord walks to the end of the record.
func (w *splitWalk) skipRecord() error {
	for w.at < w.size {
		b, err := w.rest()
		if err != nil {
			return err
		}
		n, lines, done := w.walk.record(b, w.comma)
		w.at += int64(n)
		w.line += lines
		if done {
			return nil
		}
	}
	return nil
}

func shrunk(at, want int64) error {
	return fmt.Errorf("the input ended at byte %d of %d: has it been cut while it was read? %w", at, want, io.ErrUnexpectedEOF)
}

// NewRange returns a reader of the bytes of r from one offset up to another.
// When r ends before that, as a file that is cut while it is read, the error
// is io.ErrUnexpectedEOF and not a silent end.
func NewRange(r io.ReaderAt, from, to int64) io.Reader {
	return &rangeReader{r, from, to}
}

type rangeReader struct {
	r      io.ReaderAt
	at, to int64
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if r.at >= r.to {
		return 0, io.EOF
	}
	n, err := r.r.ReadAt(p[:min(int64(len(p)), r.to-r.at)], r.at)
	r.at += int64(n)
	if errors.Is(err, io.EOF) {
		if err = nil; n == 0 {
			err = shrunk(r.at, r.to)
		}
	}
	return n, err
}
