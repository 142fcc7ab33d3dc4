// Package cleantext makes text that every database, every JSON and every terminal can hold, and keeps it short.
// It is the one home of this: what is told of bad data is itself made of bad data.
package cleantext

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// replacement stands for what is no text.
const replacement = "\uFFFD"

// Clean returns s as valid UTF-8 without NUL: U+FFFD stands for each run of invalid bytes and for each NUL. Text that is
// clean is returned as it is.
func Clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, replacement), "\x00", replacement)
}

// Is tells whether Clean would leave s as it is.
func Is(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Short returns s clean, and cut after at most so many bytes of it; an ellipsis then follows.
func Short(s string, most int) string {
	cut := Cut(s, most)
	if len(cut) == len(s) {
		return Clean(s)
	}
	return Clean(cut) + "…"
}

// Cut returns at most the first so many bytes of s, ending between two runes.
func Cut[S string | []byte](s S, most int) S {
	if len(s) <= most {
		return s
	}
	n := max(most, 0)
	// Bytes that are no UTF-8 have no beginning to look for.
	for n > max(most-utf8.UTFMax, 0) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Quote shows s in a message: quoted, after at most so many bytes of it cut, which three dots behind the quotes tell.
func Quote[S string | []byte](s S, most int) string {
	cut := Cut(s, most)
	quoted := strconv.Quote(string(cut))
	if len(cut) < len(s) {
		quoted += "..."
	}
	return quoted
}
