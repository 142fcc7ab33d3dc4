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
// may also be the reader's. It does nothing behind the beginning.
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
	return identify(s.buf[s.pos:min(s.end, s.pos+identifyBytes)])
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
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, byteOrderMark), lineFeed)
	line = bytes.Trim(bytes.TrimSuffix(line, []byte{'\r'}), `"`)
	if len(line) == 5 && bytes.EqualFold(line[:4], []byte("sep=")) {
		return &InputError{
			fmt.Sprintf("the first line is %q, which tells a spreadsheet the delimiter", line),
			fmt.Sprintf("remove that line, and set Comma to %q", line[4]),
		}
	}
	return nil
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
