package pgcodec

import (
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"
)

// stringEncoder encodes strings into text, json, uuid and numeric columns, and into
// those that parsedEncoder reads. Into any other type but bytea a string goes as text
// that the server reads.
func (c *compiler) stringEncoder(w *wireType) encodeFunc {
	switch w.kind {
	case kindText:
		return textEncoder(w)
	case kindJSON:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendText(dst, *(*string)(p), w, 0)
		}
	case kindJSONB:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendJSONB(dst, *(*string)(p), w)
		}
	case kindUUID:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendUUIDText(dst, *(*string)(p))
		}
	case kindNumeric:
		limit := newNumericLimit(w)
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			s := *(*string)(p)
			return appendNumericText(dst, unsafe.Slice(unsafe.StringData(s), len(s)), limit)
		}
	}
	return c.parsedEncoder(w)
}

func textEncoder(w *wireType) encodeFunc {
	chars, _ := w.maxChars()
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		return appendText(dst, *(*string)(p), w, chars)
	}
}

// bytesEncoder encodes byte slices into bytea, text, json and uuid columns; nil is null.
func bytesEncoder(t reflect.Type, w *wireType) encodeFunc {
	if w.kind != kindBytea && !areText(t) {
		return nil
	}
	var inner func(dst []byte, s string) ([]byte, error)
	switch w.kind {
	case kindBytea:
		inner = func(dst []byte, s string) ([]byte, error) {
			if len(s) > maxValue {
				return dst, tooLong(len(s))
			}
			return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...), nil
		}
	case kindText, kindJSON:
		chars, _ := w.maxChars()
		inner = func(dst []byte, s string) ([]byte, error) { return appendText(dst, s, w, chars) }
	case kindJSONB:
		inner = func(dst []byte, s string) ([]byte, error) { return appendJSONB(dst, s, w) }
	default:
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		b := *(*[]byte)(p)
		if b == nil {
			return appendNull(dst), nil
		}
		// The string is a view of b for the length of the call.
		return inner(dst, unsafe.String(unsafe.SliceData(b), len(b)))
	}
}

// areText is true for byte slices that may be text: not net.IP and the like, whose
// bytes are something else.
func areText(t reflect.Type) bool {
	return !hasMethods(t) || t == reflect.TypeFor[json.RawMessage]()
}

// appendText appends a text value after checking what the server would refuse:
// bytes that are not UTF-8, NUL, more characters than a varchar(n) takes.
func appendText(dst []byte, s string, w *wireType, maxChars int) ([]byte, error) {
	if !isPlain(s) {
		if err := checkText(s, w); err != nil {
			return dst, err
		}
	}
	if len(s) > maxChars && maxChars > 0 && !fits(s, maxChars, w) {
		return dst, valueErr(quoteValue(s), fmt.Sprintf("has %d characters, too many for %s", utf8.RuneCountInString(s), w.name))
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...), nil
}

// appendJSONB appends the version byte that jsonb has and json has not.
func appendJSONB(dst []byte, s string, w *wireType) ([]byte, error) {
	if !isPlain(s) {
		if err := checkText(s, w); err != nil {
			return dst, err
		}
	}
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(s)+1)), 1)
	return append(dst, s...), nil
}

// isPlain reports whether s is short ASCII text without NUL: eight bytes at a
// time, it finds a byte that is zero or has its high bit set.
func isPlain(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	if len(s) > 1<<20 {
		return false
	}
	b := unsafe.Slice(unsafe.StringData(s), len(s)) // a view, only read
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		if (x|(x-ones))&highs != 0 {
			return false // perhaps only a borrow; checkText decides
		}
		b = b[8:]
	}
	for _, c := range b {
		if c == 0 || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func checkText(s string, w *wireType) error {
	if len(s) > maxValue {
		return tooLong(len(s))
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		return valueErr(quoteValue(s), fmt.Sprintf("has a NUL byte at position %d, which %s cannot hold", i, w.name))
	}
	if !utf8.ValidString(s) {
		at := 0
		for i, r := range s {
			if r == utf8.RuneError {
				if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
					at = i
					break
				}
			}
		}
		return valueErr(quoteValue(s), fmt.Sprintf("is not UTF-8 at position %d, which %s must be", at, w.name))
	}
	return nil
}

func tooLong(n int) *ValueError {
	return valueErr("", fmt.Sprintf("a value of %d bytes is longer than the server takes (1 GiB)", n))
}

// fits reports whether s has at most n characters. Spaces beyond them count, since
// the server would cut them, unless the type is char(n), to which they are nothing.
func fits(s string, n int, w *wireType) bool {
	for i := range s {
		if n == 0 {
			return w.oid == pgtype.BPCharOID && strings.TrimRight(s[i:], " ") == ""
		}
		n--
	}
	return true
}

// appendUUIDText parses a uuid: 32 hexadecimal digits, with or without dashes.
func appendUUIDText(dst []byte, s string) ([]byte, error) {
	var digits [32]byte
	switch len(s) {
	case 32:
		copy(digits[:], s)
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return dst, valueErr(quoteValue(s), "is not a uuid")
		}
		n := copy(digits[:], s[:8])
		n += copy(digits[n:], s[9:13])
		n += copy(digits[n:], s[14:18])
		n += copy(digits[n:], s[19:23])
		copy(digits[n:], s[24:])
	default:
		return dst, valueErr(quoteValue(s), "is not a uuid")
	}
	dst = append(dst, 0, 0, 0, 16)
	var id [16]byte
	if _, err := hex.Decode(id[:], digits[:]); err != nil {
		return dst, valueErr(quoteValue(s), "is not a uuid")
	}
	return append(dst, id[:]...), nil
}

// uuidArrayEncoder encodes [16]byte and named types of it. A type with a Value
// method is taken only if that method writes the same bytes: some types for
// other databases keep a uuid in another order.
func uuidArrayEncoder(t reflect.Type) encodeFunc {
	if t.Len() != 16 || t.Elem().Kind() != reflect.Uint8 || !writesUUIDInOrder(t) {
		return nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		return append(append(dst, 0, 0, 0, 16), (*[16]byte)(p)[:]...), nil
	}
}

// writesUUIDInOrder asks a type with a Value method what it makes of two samples.
func writesUUIDInOrder(t reflect.Type) bool {
	if !t.Implements(valuerType) {
		return !hasOwnEncoding(t)
	}
	sample := reflect.New(t).Elem()
	for _, want := range []string{"00000000-0000-0000-0000-000000000000", "00010203-0405-0607-0809-0a0b0c0d0e0f"} {
		got, err := sample.Interface().(driver.Valuer).Value()
		if err != nil || got != want {
			return false
		}
		for i := range 16 {
			sample.Index(i).SetUint(uint64(i))
		}
	}
	return true
}
