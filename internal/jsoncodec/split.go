package jsoncodec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A SplitPoint is where a part of an input of lines begins.
type SplitPoint struct {
	Offset int64 // of the part's first byte, from 0
	Line   int   // that begins there, from 1
}

const splitPiece = 1 << 20 // bytes read at once

// SplitPoints cuts lines into at most n parts of about the same size, from a point on, and returns where each begins. It
// reads the input once, up to the last part, to count the lines.
func SplitPoints(r io.ReaderAt, size int64, n int, from SplitPoint) ([]SplitPoint, error) {
	points := []SplitPoint{from}
	at, line := from.Offset, from.Line
	buf := make([]byte, splitPiece)
	for k := 1; k < n && at < size; {
		piece := buf[:min(splitPiece, size-at)]
		if got, err := r.ReadAt(piece, at); got < len(piece) {
			if err == nil || errors.Is(err, io.EOF) {
				err = fmt.Errorf("the input ended at byte %d of %d: has it been cut while it was read? %w", at+int64(got), size, io.ErrUnexpectedEOF)
			}
			return nil, err
		}
		for k < n {
			target := max(0, from.Offset+(size-from.Offset)/int64(n)*int64(k)-1-at)
			if target >= int64(len(piece)) {
				break
			}
			i := bytes.IndexByte(piece[target:], '\n')
			if i < 0 {
				break
			}
			end := int(target) + i + 1
			line += bytes.Count(piece[:end], lineFeed)
			at += int64(end)
			piece = piece[end:]
			if at < size {
				points = append(points, SplitPoint{at, line})
			}
			for k++; k < n && from.Offset+(size-from.Offset)/int64(n)*int64(k) <= at; k++ { // a line longer than a part
			}
		}
		line += bytes.Count(piece, lineFeed)
		at += int64(len(piece))
	}
	return points, nil
}
