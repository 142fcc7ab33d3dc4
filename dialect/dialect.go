// Package dialect says what files are like that were not written by the book.
//
// A dialect is shared: what sinks.CSV writes with one, sources.CSV reads back equal with the same. The zero value is
// RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180) and costs nothing.
package dialect

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// CSV is a dialect of CSV.
//
// Another delimiter or a comment of one ASCII character costs nothing either. A longer one, another quote or none, an
// escape and LazyQuotes take a scanner that looks at each byte. Six columns into a struct, one thread of an AMD EPYC
// (BenchmarkDialects of internal/csvcodec): 720 MB/s in the zero dialect and with semicolons, 360 to 410 MB/s with the
// scanner for the others, 430 MB/s with a decimal comma, 290 MB/s with other NULL tokens than the empty text.
type CSV struct {
	// Delimiter stands between fields: one character or several, as ";;". Defaults to a comma, or to what the first
	// line says where it is sep=; or the like. A first line that contradicts a Delimiter is an error.
	Delimiter string

	// Quote is the ASCII character that fields stand in which hold delimiters, quotes or line ends. Defaults to ". With
	// [None] no field is quoted, and what would need it cannot be written.
	Quote rune

	// Escape is an ASCII character that, inside quotes, makes text of a quote or an Escape behind it; before anything
	// else it is text itself. Defaults to none: a quote inside quotes is doubled, which is read with an Escape too.
	Escape rune

	// LazyQuotes reads a quote in an unquoted field as text, and in a quoted one where neither a delimiter nor a line
	// end follows it. It has no effect on writing.
	LazyQuotes bool

	// Comment begins lines that are skipped. Defaults to none.
	Comment string

	// SkipLines is how many lines stand before the header, or before the first record of a file without one. A sink
	// refuses it.
	SkipLines int

	// Ragged reads fields that a short record lacks as NULL, and passes over empty ones behind the header's last, as
	// delimiters at the ends of lines make them. It has no effect on writing.
	Ragged bool

	// AnyCase finds the columns of the struct in any letter case; an exact name comes first. It has no effect on
	// writing.
	AnyCase bool

	// Null are the texts that mean NULL, when they are not in quotes: nil to a pointer and to Scan, default= and
	// omitempty where a tag has them; to any other field they are a reject, but for the empty text in a string. The
	// first one is written; a text that reads like any is written in quotes. Defaults to the empty text alone.
	Null []string

	// Decimal is the decimal mark of numbers, '.' or ','. Defaults to '.'.
	Decimal rune

	// Thousands is a mark that may stand between thousands, and nowhere else: 1.234,5 but not 12.34. Defaults to none.
	// It is not written.
	Thousands rune

	// Layout is how times are written, as for [time.Parse]. By default RFC 3339, a date, and a date and a time are
	// read, and RFC 3339 is written.
	Layout string

	// Location is where the clocks stood that showed times without an offset. Defaults to UTC.
	Location *time.Location

	// Times are layout and location by column, named as in the struct's tags. They come before csv.layout and
	// csv.location in a tag, and those before Layout and Location.
	Times map[string]Time
}

// Time is how the times of one column are written. A zero field is that of the whole file.
type Time struct {
	Layout   string
	Location *time.Location
}

// None is a [CSV].Quote for files without quotes.
const None rune = -1

// Validate returns all that is wrong with the settings, whatever is read or written with them.
func (d CSV) Validate() error {
	var all []error
	refuse := func(format string, args ...any) { all = append(all, fmt.Errorf(format, args...)) }
	delimiter := d.Delimiter
	if delimiter == "" {
		delimiter = ","
	}
	quote := d.Quote
	if quote == 0 {
		quote = '"'
	}
	switch {
	case len(delimiter) > 16 || !utf8.ValidString(delimiter) || strings.ContainsAny(delimiter, "\x00\r\n"):
		refuse("%q cannot be the Delimiter: want at most 16 bytes of text without line ends", delimiter)
	case quote != None && strings.ContainsRune(delimiter, quote):
		refuse("the Delimiter %q cannot hold the quote %q", delimiter, quote)
	}
	if quote != None && !sign(quote) {
		refuse("%q cannot be the Quote: want an ASCII character that is no letter, digit, space or line end", quote)
	}
	switch {
	case d.Escape == 0:
	case quote == None:
		refuse("the Escape %q works inside quotes, and Quote is None", d.Escape)
	case !sign(d.Escape):
		refuse("%q cannot be the Escape: want an ASCII character that is no letter, digit, space or line end", d.Escape)
	case strings.ContainsRune(delimiter, d.Escape):
		refuse("the Delimiter %q cannot hold the Escape %q", delimiter, d.Escape)
	}
	if d.LazyQuotes && quote == None {
		refuse("LazyQuotes is about quotes, and Quote is None")
	}
	if d.Comment != "" {
		switch {
		case len(d.Comment) > 16 || !utf8.ValidString(d.Comment) || strings.ContainsAny(d.Comment, "\x00\r\n"):
			refuse("%q cannot begin a Comment: want at most 16 bytes of text without line ends", d.Comment)
		case quote != None && strings.HasPrefix(d.Comment, string(quote)):
			refuse("%q cannot begin a Comment: it begins with the quote", d.Comment)
		case strings.HasPrefix(d.Comment, delimiter) || strings.HasPrefix(delimiter, d.Comment):
			refuse("%q cannot begin a Comment beside the Delimiter %q", d.Comment, delimiter)
		}
	}
	if d.SkipLines < 0 {
		refuse("SkipLines is %d: it cannot be negative", d.SkipLines)
	}
	for _, null := range d.Null {
		switch {
		case strings.ContainsAny(null, "\r\n") || quote != None && strings.ContainsRune(null, quote):
			refuse("%q cannot stand for NULL: it would have to be in quotes", null)
		case strings.Index(null+delimiter, delimiter) != len(null):
			refuse("%q cannot stand for NULL beside the Delimiter %q: it would have to be in quotes", null, delimiter)
		case d.Comment != "" && strings.HasPrefix(null, d.Comment):
			refuse("%q cannot stand for NULL: it would begin a Comment", null)
		}
	}
	decimal := d.Decimal
	if decimal == 0 {
		decimal = '.'
	}
	if decimal != '.' && decimal != ',' {
		refuse("%q cannot be the Decimal mark: want '.' or ','", decimal)
	}
	if t := d.Thousands; t != 0 {
		switch {
		case t == decimal:
			refuse("%q cannot be the Decimal mark and that between Thousands", t)
		case !unicode.Is(unicode.Zs, t) && !unicode.IsPunct(t) && t != '`' || t == '-' || t == '"':
			refuse("%q cannot stand between Thousands: want a mark, as '.', ',' or '\\''", t)
		}
	}
	return errors.Join(all...)
}

// sign tells ASCII characters that neither numbers, words nor lines are made of.
func sign(r rune) bool {
	return r > 0 && r < utf8.RuneSelf && r != ' ' && r != '\r' && r != '\n' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
