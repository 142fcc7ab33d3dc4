package csvcodec

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
)

// Types whose own errors say the value in different ways.
type (
	begins string   // "abc" is no colour
	colon  string   // "abc": no such colour
	ends   string   // no such colour: "abc"
	twice  string   // neither "abc" nor "ABC" nor "abc"
	plain  string   // abc is no colour
	silent string   // no such colour
	whole  struct{} // the same, for a struct that takes all columns itself
)

var errColour = errors.New("no such colour")

func (*begins) UnmarshalText(text []byte) error { return fmt.Errorf("%q is no colour", text) }
func (*colon) UnmarshalCSV(text string) error   { return fmt.Errorf("%q: %w", text, errColour) }
func (*ends) UnmarshalText(text []byte) error   { return fmt.Errorf("%w: %q", errColour, text) }
func (*twice) UnmarshalText(text []byte) error {
	return fmt.Errorf("neither %q nor %q nor %q", text, strings.ToUpper(string(text)), text)
}
func (*plain) UnmarshalText(text []byte) error { return fmt.Errorf("%s is no colour", text) }
func (*silent) UnmarshalText([]byte) error     { return errColour }
func (*whole) UnmarshalCSVWithFields(key, value string) error {
	return fmt.Errorf("column %q: %q is no colour", key, value)
}

// refuse returns the error that a value gets in a field of type V.
func refuse[V any](t *testing.T, value string) *Error {
	t.Helper()
	return refuseRecord[struct {
		V V `csv:"v"`
	}](t, value)
}

func refuseRecord[R any](t *testing.T, value string) *Error {
	t.Helper()
	_, bad := readSome[R](t, string(appendQuoted([]byte("v\n"), value))+"\n", ReadOptions{})
	if len(bad) != 1 {
		t.Fatalf("errors %v, want one", bad)
	}
	return bad[0]
}

func TestAnErrorOfATypesOwnDoesNotRepeatWhatIsBeforeIt(t *testing.T) {
	long := strings.Repeat("x", 150)
	tests := []struct {
		name  string
		got   *Error
		value string
		want  string // behind the place
	}{
		{"it begins with the value", refuse[begins](t, "abc"), "abc", `"abc" is no colour`},
		{"it begins with the value and a colon", refuse[colon](t, "abc"), "abc", `"abc": no such colour`},
		{"it ends with the value", refuse[ends](t, "abc"), "abc", `"abc": no such colour: ...`},
		{"it says the value twice and another", refuse[twice](t, "abc"), "abc", `"abc": neither ... nor "ABC" nor ...`},
		{"it does not quote the value, which could be a word", refuse[plain](t, "abc"), "abc", `"abc": abc is no colour`},
		{"it does not say the value", refuse[silent](t, "abc"), "abc", `"abc": no such colour`},
		{"the value needs escapes", refuse[begins](t, "a\"\n"), "a\"\n", `"a\"\n" is no colour`},
		{"the value is long", refuse[begins](t, long), long[:100], `"` + long[:100] + `"... is no colour`},
		{"the value is long and within", refuse[ends](t, long), long[:100], `"` + long[:100] + `"...: no such colour: ...`},
		{"it says the column too", refuseRecord[whole](t, "abc"), "abc", `"abc" is no colour`},
		{"it is of an element that gocsv decodes", refuse[[]begins](t, `["abc"]`), `["abc"]`, `"[\"abc\"]": "abc" is no colour`},
		{"an address", refuse[netip.Addr](t, "abc"), "abc", `"abc": ParseAddr(...): unable to parse IP`},
		{"a large integer", refuse[big.Int](t, "abc"), "abc", `"abc": math/big: cannot unmarshal ... into a *big.Int`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := test.got
			if want := `line 2: column "v": ` + test.want; e.Error() != want {
				t.Errorf("error %s\nwant  %s", e, want)
			}
			if e.Line != 2 || e.Column != 1 || e.ColumnName != "v" || e.Value != test.value || e.Reason != test.want {
				t.Errorf("fields %+v", e)
			}
			if e.Err == nil || errors.Is(e, errColour) != strings.Contains(test.want, errColour.Error()) {
				t.Errorf("cause %v", e.Err)
			}
		})
	}
}
