package runs

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/cleantext"
)

// What comes from clients. Both targets need no database.

// FuzzPageToken feeds List page tokens that were changed, and such as nobody gave. Only what this history has
// signed, for this filter, is taken, and as the place that it was given for.
func FuzzPageToken(f *testing.F) {
	key, otherKey := []byte("what the replicas of one history share"), []byte("another history's")
	s, other := &Service{}, &Service{}
	s.pageKey.Store(&key)
	other.pageKey.Store(&otherKey)
	aPlace := place{CreatedAt: time.UnixMicro(1_760_000_000_123_456).UTC(), ID: "01a203f9-b7e6-7000-8176-3e1c46f6f3f0"}
	for _, filter := range []Filter{{}, {Pipeline: "items"}, {Pipeline: "items", States: []State{Failed}}} {
		token, err := s.sealToken(f.Context(), aPlace, filter)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token, filter.Pipeline, len(filter.States) > 0, int64(1_760_000_000_123_456), uint64(7), uint16(30), byte(1))
	}
	if token, err := s.sealToken(f.Context(), aPlace, Filter{}); err == nil {
		f.Add(token+"\n", "", false, int64(0), uint64(0), uint16(0), byte(0))
	}
	f.Add("", "items", false, int64(-1), uint64(0), uint16(0), byte(0x80))
	f.Add("AAAAAAAAAAAAAAAAAAAAAHt9", "items", false, int64(0), uint64(1), uint16(3), byte(' '))
	f.Add(base64.RawURLEncoding.EncodeToString(append(make([]byte, signatureBytes), `{"t":"2025-03-14T00:00:00Z","i":"' or 1 = 1"}`...)), "", true, int64(0), uint64(0), uint16(65535), byte('\n'))

	f.Fuzz(func(t *testing.T, token, pipeline string, failed bool, micros int64, n uint64, where uint16, flip byte) {
		filter := Filter{Pipeline: pipeline}
		if failed {
			filter.States = []State{Failed}
		}
		// What is given comes back, and nothing else does.
		const centuries = 4_000_000_000_000_000 // either way
		given := place{CreatedAt: time.UnixMicro(micros % centuries).UTC(), ID: fmt.Sprintf("%08x-%04x-7000-8000-%012x", n>>32, n>>16&0xffff, n&0xffffffffffff)}
		sealed, err := s.sealToken(t.Context(), given, filter)
		if err != nil {
			t.Fatal(err)
		}
		if opened, err := s.openToken(t.Context(), sealed, filter); err != nil || !opened.CreatedAt.Equal(given.CreatedAt) || opened.ID != given.ID {
			t.Fatalf("%q was given for %+v and taken for %+v, %v", sealed, given, opened, err)
		}
		changed := []byte(sealed)
		changed[int(where)%len(changed)] ^= flip
		refusedUnless(t, s, string(changed), filter, given)
		refusedUnless(t, s, sealed[:int(where)%len(sealed)], filter, given)
		refused(t, other, sealed, filter)
		another := filter
		another.Pipeline += "x"
		refused(t, s, sealed, another)

		// What the fuzzer gives is refused, or is what would be given for the place that it says.
		if place, err := s.openToken(t.Context(), token, filter); err == nil {
			refusedUnless(t, s, token, filter, place)
		} else {
			refused(t, s, token, filter)
		}
	})
}

// refusedUnless wants a token to be refused unless it is the one for that place.
func refusedUnless(t *testing.T, s *Service, token string, f Filter, p place) {
	t.Helper()
	sealed, err := s.sealToken(t.Context(), p, f)
	if err != nil {
		t.Fatal(err)
	}
	if token != sealed {
		refused(t, s, token, f)
	}
}

// refused wants a token to be the client's mistake, also for List, which then asks no database.
func refused(t *testing.T, s *Service, token string, f Filter) {
	t.Helper()
	_, err := s.openToken(t.Context(), token, f)
	if wrong, ok := errors.AsType[*Error](err); !ok || !errors.Is(wrong, ErrInvalid) || wrong.Field != "token" {
		t.Errorf("%q: got %v", token, err)
	}
	if token == "" { // which List takes for the first page
		return
	}
	if _, err := s.List(t.Context(), f, 0, token); !errors.Is(err, ErrInvalid) {
		t.Errorf("%q: List: %v", token, err)
	}
}

// fuzzedParams has each type of param in each of its forms.
func fuzzedParams() []Param {
	odd := func(value string) error {
		if n, err := strconv.ParseInt(value, 10, 64); err != nil || n%2 == 0 {
			return fmt.Errorf("%s is not odd", shown(value))
		}
		return nil
	}
	return []Param{
		{Name: "who", Required: true},
		{Name: "note"},
		{Name: "unit", Default: "kg"},
		{Name: "n", Type: Int},
		{Name: "limit", Type: Int, Default: "100"},
		{Name: "odd", Type: Int, Default: "1", Check: odd},
		{Name: "dry", Type: Bool},
		{Name: "day", Type: Date},
		{Name: "since", Type: Date, Default: "2025-03-14"},
		{Name: "size", Type: Enum, Values: []string{"small", "large"}},
		{Name: "shape", Type: Enum, Values: []string{"round", "square"}, Default: "round"},
	}
}

// FuzzParams feeds the params of a trigger, as a client's JSON and one by one. They are refused with the name of one that is
// wrong, or mean to the run, which reads them from JSON again, what the client has said.
func FuzzParams(f *testing.F) {
	for _, body := range []string{
		`{"who":"me"}`, `{"who":""}`, `{}`, `null`, `{"who":"me","n":"-0007","limit":"+5","odd":"3","dry":"true","day":"2024-02-29","size":"large","shape":"round"}`,
		`{"who":"a\u0000b"}`, `{"who":"\ud800"}`, `{"who":"me","WHO":"you","who":"them"}`, `{"who":"me","colour":"red"}`, `{"who":"me","n":1}`, `[]`,
	} {
		f.Add(body, "")
	}
	for _, value := range []string{
		"1", "+1", "-0", "0x10", "1e3", "1_000", "9223372036854775807", "9223372036854775808", "-9223372036854775808", " 1", "٣",
		"true", "TRUE", "t", "false", "2025-03-14", "2025-02-30", "0000-01-01", "9999-12-31", "2025-3-14", "small", "Small", "\x00", "\xff", "é", "\u2028", "</script>",
		strings.Repeat("9", 100), strings.Repeat("x", 4096), strings.Repeat("x", 4097),
	} {
		f.Add(`{"who":"me"}`, value)
	}
	d := &definition{Definition: Definition{Name: "items", Params: fuzzedParams()}}
	if err := checkParams(d.Params); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body, value string) {
		var given map[string]string
		if json.Unmarshal([]byte(body), &given) == nil {
			checkValues(t, d, given)
		}
		for _, p := range d.Params {
			one := map[string]string{"who": "me"}
			one[p.Name] = value
			checkValues(t, d, one)
		}
		checkValues(t, d, map[string]string{"who": "me", value: "1"})
	})
}

// checkValues holds what becomes of params against what was given.
func checkValues(t *testing.T, d *definition, given map[string]string) {
	t.Helper()
	values, err := d.values(given)
	if err != nil {
		checkRefusal(t, d, given, err)
		return
	}
	if len(values) != len(d.Params) {
		t.Errorf("%q became %q", given, values)
	}
	for name, value := range values {
		if !cleantext.Is(value) {
			t.Errorf("param %q is %q, which no database keeps", name, value)
		}
	}
	document, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var read Values
	if err := json.Unmarshal(document, &read); err != nil || !maps.Equal(read, values) {
		t.Errorf("%q came back as %q, %v", values, read, err)
	}
	if again, err := d.values(values); err != nil || !maps.Equal(again, values) { // as a client does that copies a run
		t.Errorf("%q, given again, became %q, %v", values, again, err)
	}
	for _, p := range d.Params {
		said, ok := given[p.Name]
		if !ok {
			said = p.Default
		}
		if !means(p, read, said) {
			t.Errorf("param %q was given as %q and became %q", p.Name, said, read[p.Name])
		}
	}
}

// means tells whether the run reads of a param what was said, in the one form that its type has.
func means(p Param, read Values, said string) bool {
	switch p.Type {
	case Int:
		want, err := strconv.ParseInt(said, 10, 64)
		return said == "" && read[p.Name] == "" || err == nil && read[p.Name] == strconv.FormatInt(want, 10) && read.Int(p.Name) == want
	case Bool:
		return read[p.Name] == said && read.Bool(p.Name) == (said == "true")
	case Date:
		day := read.Date(p.Name)
		return day.Format(time.DateOnly) == said || said == "" && day.IsZero()
	case Enum:
		return read[p.Name] == said && (slices.Contains(p.Values, said) || said == "")
	}
	return read.String(p.Name) == said
}

// checkRefusal wants an error to name a param that is to blame.
func checkRefusal(t *testing.T, d *definition, given map[string]string, err error) {
	t.Helper()
	wrong, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(wrong, ErrInvalid) {
		t.Errorf("%q: got %v", given, err)
		return
	}
	name, ok := strings.CutPrefix(wrong.Field, "params.")
	value, was := given[name]
	if !ok || !strings.Contains(wrong.Message, strconv.Quote(name)) {
		t.Errorf("%q: %q does not say which param it is about: %q", given, wrong.Message, wrong.Field)
	}
	for _, p := range d.Params {
		if p.Name != name {
			continue
		}
		// It was not given and had to be, or nothing but it is wrong.
		one := map[string]string{"who": "me", name: value}
		if _, err := d.values(one); was && err == nil || !was && !p.Required {
			t.Errorf("%q: %q, but %q alone is right", given, wrong.Message, value)
		}
		return
	}
	for unknown := range given {
		if cut(unknown) == name {
			return
		}
	}
	t.Errorf("%q: %q is about a param that nobody has", given, wrong.Message)
}
