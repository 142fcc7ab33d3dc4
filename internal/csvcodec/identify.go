package csvcodec

import (
	"bytes"
	"fmt"
)

// An InputError says that an input as a whole is not what can be read here, and what to
// do. It is not a matter of one record.
type InputError struct {
	What   string // is met: "the input is a zip archive"
	Advice string // is to be done
}

func (e *InputError) Error() string { return e.What + ", not CSV in UTF-8: " + e.Advice }

// identifyBytes is how much of an input's beginning is looked at.
const identifyBytes = 512

// Identify looks at the input's first bytes, which stay to be read, and says with an
// [*InputError] what it is if it is no CSV: an archive, a spreadsheet, UTF-16. The error
// may also be the reader's. It passes over what stands before the header: a mark, a line sep=, SkipLines.
func (s *Scanner) Identify() error {
	if s.Offset() != 0 || !s.bom {
		return nil
	}
	// No more than a few bytes are waited for: a pipe may give a short line and then nothing for long.
	for s.end-s.pos < 4 && bytes.IndexByte(s.buf[s.pos:s.end], '\n') < 0 && !s.eof {
		if err := s.fill(); err != nil {
			return err
		}
	}
	if err := identify(s.buf[s.pos:min(s.end, s.pos+identifyBytes)]); err != nil {
		return err
	}
	return s.begin() // the position is then that of the header
}

// identify names what begins with head if it is no CSV.
func identify(head []byte) error {
	for _, known := range magics {
		if bytes.HasPrefix(head, []byte(known.magic)) {
			if known.what == zipArchive && (bytes.Contains(head, []byte("[Content_Types].xml")) || bytes.Contains(head, []byte("xl/"))) {
				return &InputError{"the input is an Excel workbook (xlsx)", saveAsCSV}
			}
			return &InputError{known.what, known.advice}
		}
	}
	if len(head) >= 10 && string(head[:3]) == "BZh" && string(head[4:10]) == "1AY&SY" {
		return &InputError{"the input is packed with bzip2", "unpack it first with bunzip2"}
	}
	if len(head) >= 4 && head[0]|head[2] != 0 && head[1]|head[3] == 0 || len(head) >= 4 && head[0]|head[2] == 0 && head[1]|head[3] != 0 {
		return &InputError{"the input is UTF-16 without a byte order mark", "convert it, for instance with iconv -f UTF-16LE -t UTF-8"}
	}
	return nil
}

// readSep passes over a first line that tells a spreadsheet the delimiter, and heeds it.
func (s *Scanner) readSep() error {
	var line []byte
	for {
		seen := s.buf[s.pos:s.end]
		i := bytes.IndexByte(seen[:min(len(seen), 16)], '\n')
		if i >= 0 || s.eof || len(seen) >= 16 || !mayBeSep(seen) {
			if i < 0 {
				i = len(seen)
			}
			line = seen[:i]
			break
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
	text := bytes.Trim(bytes.TrimSuffix(line, []byte{'\r'}), `"`)
	if !mayBeSep(line) || len(text) != 5 || !validDelimiter(text[4]) {
		return nil
	}
	c := text[4]
	switch {
	case s.rules != nil && string(s.rules.delimiter) != string(c) && s.sepFree:
		own := *s.rules // the options' are everybody's
		own.delimiter = []byte{c}
		own.settle()
		if c == own.quote || c == own.escape || bytes.HasPrefix(own.comment, own.delimiter) {
			return &InputError{fmt.Sprintf("the first line is %q", text), "it cannot be the delimiter beside the Dialect's other characters"}
		}
		s.rules, s.rec.rules = &own, &own
	case s.rules != nil && string(s.rules.delimiter) != string(c), s.rules == nil && s.comma != c && !s.sepFree:
		return &InputError{
			fmt.Sprintf("the first line is %q, which contradicts the delimiter that is set", text),
			"leave Delimiter out to read it by its own word",
		}
	}
	if s.rules == nil && c == s.comment {
		return &InputError{fmt.Sprintf("the first line is %q", text), "it cannot be the delimiter beside the Dialect's Comment"}
	}
	if s.comma = c; s.rules == nil {
		s.commas = uint64(c) * loBits
		s.seal(0)
	}
	s.skipLines = max(s.skipLines-1, 0)
	return s.skipLine()
}

// mayBeSep tells whether a line begins as one with sep= does.
func mayBeSep(line []byte) bool {
	line = bytes.TrimPrefix(line, []byte{'"'})
	return bytes.EqualFold(line[:min(len(line), 4)], []byte("sep=")[:min(len(line), 4)])
}

// Delimiter is what separates fields, which the first line may have said.
func (s *Scanner) Delimiter() string {
	if s.rules != nil {
		return string(s.rules.delimiter)
	}
	return string(rune(s.comma))
}

const (
	zipArchive = "the input is a zip archive"
	saveAsCSV  = "save it as CSV UTF-8 in the spreadsheet program"
	fromUTF16  = "convert it, for instance with iconv -f UTF-16 -t UTF-8"
)

var magics = []struct{ magic, what, advice string }{
	{"\xff\xfe\x00\x00", "the input is UTF-32", "convert it, for instance with iconv -f UTF-32 -t UTF-8"},
	{"\x00\x00\xfe\xff", "the input is UTF-32", "convert it, for instance with iconv -f UTF-32 -t UTF-8"},
	{"\xff\xfe", "the input is UTF-16", fromUTF16},
	{"\xfe\xff", "the input is UTF-16", fromUTF16},
	{"PK\x03\x04", zipArchive, "unpack it first, for instance with unzip -p"},
	{"PK\x05\x06", zipArchive, "it is an empty one"},
	{"\xfd7zXZ\x00", "the input is packed with xz", "unpack it first with xz -d"},
	{"\x1f\x8b", "the input is packed with gzip", "leave Compression unset, or set it to Gzip"},
	{"\x28\xb5\x2f\xfd", "the input is packed with zstd", "leave Compression unset, or set it to Zstd"},
	{"7z\xbc\xaf\x27\x1c", "the input is a 7z archive", "unpack it first with 7z"},
	{"Rar!\x1a\x07", "the input is a rar archive", "unpack it first with unrar"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "the input is an old Excel workbook (xls)", saveAsCSV},
	{"PAR1\x15", "the input is a Parquet file", "convert it to CSV"},
	{"%PDF-", "the input is a PDF document", "export the table as CSV"},
	{"<!DOCTYPE html", "the input is a web page", "it may be the login or the error page of a server: look at it"},
	{"<!doctype html", "the input is a web page", "it may be the login or the error page of a server: look at it"},
	{"<html", "the input is a web page", "it may be the login or the error page of a server: look at it"},
}
