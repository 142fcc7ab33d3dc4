package tables

import (
	"strings"
	"unicode/utf8"
)

// Keeps tells whether Postgres can keep s as text.
func Keeps(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// Clean makes text that Postgres can keep, cut at about most bytes.
func Clean(text string, most int) string {
	cut := len(text) > most
	if cut {
		text = text[:most]
	}
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if cut {
		text += " …"
	}
	return text
}
