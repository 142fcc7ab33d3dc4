package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// invalid stands for what an encoding does not define. No text in UTF-8 holds this byte, so that the form finds it and
// rejects the record that it is in.
const invalid = '\xff'

// encodingOf returns what decodes text of that name; nil for UTF-8. A name is one of the IANA's
// (https://www.iana.org/assignments/character-sets), in any letter case: windows-1252, iso-8859-1, shift_jis.
func encodingOf(name string) (func() transform.Transformer, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "utf-8", "utf8":
		return nil, nil
	case "utf-16":
		return nil, errors.New(`the Encoding "utf-16" does not say the order of bytes: ` +
			"leave it out where files begin with a byte order mark, else use utf-16le or utf-16be")
	case "utf-16le":
		return func() transform.Transformer { return &utf16{} }, nil
	case "utf-16be":
		return func() transform.Transformer { return &utf16{big: true} }, nil
	}
	e, err := ianaindex.IANA.Encoding(name)
	if err != nil || e == nil {
		return nil, fmt.Errorf("the Encoding %q is not known here: use a name such as windows-1252, iso-8859-15 or shift_jis", name)
	}
	return func() transform.Transformer { return marked{e.NewDecoder()} }, nil
}

// decoded returns the text of r in UTF-8. Without a name UTF-16 is known by its byte order mark. plain says that the
// bytes are already what they should be.
func decoded(r io.Reader, name string) (text io.Reader, plain bool, err error) {
	decode, err := encodingOf(name)
	if err != nil {
		return nil, false, err
	}
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if err != nil && !isEOF(err) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, err
	}
	whole := &prefixed{head: head, rest: r}
	if decode != nil {
		return transform.NewReader(whole, decode()), false, nil
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(head, []byte{0, 0, 0xfe, 0xff}):
		return nil, false, errors.New("the text is UTF-32, by its byte order mark, which cannot be read: convert it to UTF-8")
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return transform.NewReader(whole, &utf16{}), false, nil
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return transform.NewReader(whole, &utf16{big: true}), false, nil
	case len(head) == 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return nil, false, errors.New(`the text looks like UTF-16 without a byte order mark: set Encoding to "utf-16le"`)
	case len(head) == 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return nil, false, errors.New(`the text looks like UTF-16 without a byte order mark: set Encoding to "utf-16be"`)
	}
	return whole, true, nil
}

// prefixed gives back what was looked at, together with what follows it: a form may look at what its first Read returns.
type prefixed struct {
	head []byte
	rest io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) == 0 {
		return p.rest.Read(b)
	}
	n := copy(b, p.head)
	p.head = p.head[n:]
	if n == len(b) {
		return n, nil
	}
	more, err := p.rest.Read(b[n:])
	return n + more, err
}

// utf16 decodes UTF-16, a byte order mark at its beginning left out. It is not golang.org/x/text's, which makes U+FFFD
// of half a pair: that could not be told from one in the file.
type utf16 struct {
	big   bool
	begun bool
}

func (u *utf16) Reset() { u.begun = false }

func (u *utf16) unit(b []byte) rune {
	if u.big {
		return rune(b[0])<<8 | rune(b[1])
	}
	return rune(b[1])<<8 | rune(b[0])
}

func (u *utf16) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	for nSrc < len(src) {
		if len(dst)-nDst < utf8.UTFMax {
			return nDst, nSrc, transform.ErrShortDst
		}
		rest := src[nSrc:]
		if len(rest) < 2 {
			if !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			dst[nDst] = invalid // half a unit
			return nDst + 1, nSrc + 1, nil
		}
		r, size, ok := u.unit(rest), 2, true
		switch {
		case r >= 0xd800 && r < 0xdc00:
			if len(rest) < 4 && !atEOF {
				return nDst, nSrc, transform.ErrShortSrc
			}
			if ok = len(rest) >= 4; ok {
				low := u.unit(rest[2:])
				if ok = low >= 0xdc00 && low < 0xe000; ok {
					r, size = (r-0xd800)<<10|(low-0xdc00)+0x10000, 4
				}
			}
		case r >= 0xdc00 && r < 0xe000:
			ok = false
		}
		switch {
		case !ok:
			dst[nDst] = invalid
			nDst++
		case r == 0xfeff && !u.begun: // the mark
		default:
			nDst += utf8.EncodeRune(dst[nDst:], r)
		}
		u.begun = true
		nSrc += size
	}
	return nDst, nSrc, nil
}

// marked makes what an encoding does not define invalid, instead of a replacement character that looks like text.
type marked struct{ *encoding.Decoder }

func (m marked) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = m.Decoder.Transform(dst, src, atEOF)
	replacement := []byte(string(utf8.RuneError))
	for at := 0; ; {
		i := bytes.Index(dst[at:nDst], replacement)
		if i < 0 {
			return nDst, nSrc, err
		}
		at += i
		dst[at] = invalid
		at++
		nDst = at + copy(dst[at:], dst[at-1+len(replacement):nDst])
	}
}
