package cleantext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatIsNoTextIsReplaced(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"text stays":                       {"Señor ☕\n", "Señor ☕\n"},
		"a NUL and a byte that is no text": {"a\x00\xff", "a\uFFFD\uFFFD"},
		"half a rune":                      {"a\xe2\x98", "a\uFFFD"},
		"a surrogate":                      {"\xed\xa0\x80", "\uFFFD"},
		"nothing":                          {"", ""},
	} {
		if got := Clean(tt.in); got != tt.want || Is(got) != true || Is(tt.in) != (tt.in == tt.want) {
			t.Errorf("%s: Clean(%q) = %q, want %q; Is says %v of the input", name, tt.in, got, tt.want, Is(tt.in))
		}
	}
}

func TestLongTextIsCutBetweenRunes(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "abc…"},
		{"aé", 2, "a…"},
		{"aé", 3, "aé"},
		{"☕☕", 5, "☕…"},
		{"\x00b", 1, "\uFFFD…"},
		{"\xbf\xbf\xbf\xbf\xbf\xbf\xbf\xbf", 6, "\uFFFD…"},
		{"abc", 0, "…"},
		{"abc", -1, "…"},
	} {
		if got := Short(tt.in, tt.most); got != tt.want {
			t.Errorf("Short(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
	if got := Quote("a\"é", 3); got != `"a\""...` {
		t.Errorf("quoted: %s", got)
	}
	if got := Quote([]byte("abc"), 3); got != `"abc"` {
		t.Errorf("quoted: %s", got)
	}
}

func FuzzShortIsCleanAndShort(f *testing.F) {
	f.Add("aé\x00\xff", 3)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(0, min(most, 1000))
		got := Short(s, most)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") || len(got) > 3*most+len("…") {
			t.Errorf("Short(%q, %d) = %q", s, most, got)
		}
		if Is(s) && len(s) <= most && got != s {
			t.Errorf("Short(%q, %d) changed it to %q", s, most, got)
		}
	})
}
