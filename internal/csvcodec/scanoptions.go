package csvcodec

import (
	"fmt"

	"github.com/millrace/millrace/dialect"
)

// ScanOptions say what the input looks like. The zero value is RFC 4180 with
// commas.
type ScanOptions struct {
	// Dialect says the same and more, for what Comma and Comment leave open.
	Dialect dialect.CSV
	// Comma is the delimiter, one ASCII byte. Defaults to ','.
	Comma byte
	// Comment, when not 0, is an ASCII byte; a line that begins with it is skipped.
	Comment byte
	// MaxRecord is the size of the largest record, in bytes of input with the
	// line ending. Defaults to 16 MiB; from 64 bytes to 512 MiB. A larger record is an
	// error, and is skipped without being held in memory.
	MaxRecord int
	// MaxColumns is the largest number of fields in a record. Defaults to 262,144.
	MaxColumns int
	// BufferSize is what the scanner reads at once, in bytes. Defaults to 128 KiB; at most 64 MiB.
	// The buffer grows beyond it for a record that needs it, up to MaxRecord.
	BufferSize int
	// StartOffset and StartLine are where the reader's first byte lies in the
	// whole input, when it is not read from its beginning (see [SplitPoints]).
	// They default to 0 and to line 1. A byte order mark is skipped only at offset 0.
	StartOffset int64
	StartLine   int
}

const (
	defaultMaxRecord  = 16 << 20
	minMaxRecord      = 64
	limitMaxRecord    = 512 << 20
	limitBufferSize   = 64 << 20
	defaultMaxColumns = 1 << 18
	defaultBufferSize = 128 << 10
	minBufferSize     = 1 << 10
)

// withDefaults fills in the zero fields and refuses what cannot be.
func (o ScanOptions) withDefaults() (ScanOptions, error) {
	if err := o.Dialect.Validate(); err != nil {
		return o, err
	}
	if o.Comma == 0 && len(o.Dialect.Delimiter) == 1 {
		o.Comma = o.Dialect.Delimiter[0]
	}
	if o.Comment == 0 && len(o.Dialect.Comment) == 1 && rulesOf(o.Dialect) == nil {
		o.Comment = o.Dialect.Comment[0]
	}
	if o.Comma == 0 {
		o.Comma = ','
	}
	if o.MaxRecord <= 0 {
		o.MaxRecord = defaultMaxRecord
	}
	o.MaxRecord = min(max(o.MaxRecord, minMaxRecord), limitMaxRecord)
	if o.MaxColumns <= 0 {
		o.MaxColumns = defaultMaxColumns
	}
	if o.BufferSize <= 0 {
		o.BufferSize = defaultBufferSize
	}
	o.BufferSize = (min(max(o.BufferSize, minBufferSize), limitBufferSize) + blockSize - 1) &^ (blockSize - 1)
	if o.StartLine <= 0 {
		o.StartLine = 1
	}
	if !validDelimiter(o.Comma) {
		return o, fmt.Errorf("%q cannot be the delimiter: want an ASCII byte other than a quote or a line end", o.Comma)
	}
	if o.Comment != 0 && (!validDelimiter(o.Comment) || o.Comment == o.Comma) {
		return o, fmt.Errorf("%q cannot begin a comment: want an ASCII byte other than a quote, a line end or the delimiter", o.Comment)
	}
	return o, nil
}

func validDelimiter(c byte) bool {
	return c != 0 && c != '"' && c != '\r' && c != '\n' && c < 0x80
}
