package pgcodec

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// copyRows splits a whole binary COPY into the values of each row.
func copyRows(tb testing.TB, columns int, stream []byte) [][][]byte {
	tb.Helper()
	rest, begins := bytes.CutPrefix(stream, Binary.AppendHeader(nil))
	rest, ends := bytes.CutSuffix(rest, Binary.AppendTrailer(nil))
	if !begins || !ends {
		tb.Fatalf("header: %v, trailer: %v, in a binary COPY of %d bytes", begins, ends, len(stream))
	}
	return rawRows(tb, columns, rest)
}

// rawRows splits tuples into the values of each row, nil for null.
func rawRows(tb testing.TB, columns int, tuples []byte) (rows [][][]byte) {
	tb.Helper()
	for rest := tuples; len(rest) > 0; {
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) != columns {
			tb.Fatalf("row %d begins with %x, and there are %d columns", len(rows)+1, rest[:min(2, len(rest))], columns)
		}
		rest = rest[2:]
		row := make([][]byte, columns)
		for i := range row {
			var err error
			if row[i], rest, err = cutValue(rest); err != nil {
				tb.Fatalf("row %d, value %d: %v", len(rows)+1, i+1, err)
			}
		}
		rows = append(rows, row)
	}
	return rows
}
