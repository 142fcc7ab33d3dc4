package pgcodec

import (
	"bytes"
	"testing"
)

func FuzzATupleOfTheTextFormatComesApart(f *testing.F) {
	f.Add([]byte("a\tb\n\\"), []byte(`\N`), true)
	f.Add([]byte(""), []byte("\r\x00é"), false)
	f.Fuzz(func(t *testing.T, a, b []byte, null bool) {
		tuple := append(appendEscaped(nil, a), '\t')
		if null {
			tuple = append(tuple, textNull...)
		} else {
			tuple = appendEscaped(tuple, b)
		}
		tuple = append(tuple, '\t')
		tuple = append(appendEscaped(tuple, b), '\n')
		got := Text.Fields(tuple)
		if len(got) != 3 || !bytes.Equal(got[0], a) || !bytes.Equal(got[2], b) || null != (got[1] == nil) || !null && !bytes.Equal(got[1], b) {
			t.Errorf("%q came apart as %q", tuple, got)
		}
	})
}
