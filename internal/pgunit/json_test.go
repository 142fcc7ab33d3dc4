package pgunit

import (
	"encoding/json"
	"testing"
)

func TestSameJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1`, true}, {`{"a": 1, "b": [2]}`, `{"b":[2],"a":1}`, true}, {`9007199254740993`, `9007199254740992`, false},
		{`"x"`, `"y"`, false}, {``, ``, true}, {``, `1`, false}, {`1`, ``, false}, {`null`, `null`, true}, {`nonsense`, `1`, false},
	} {
		raw := func(s string) json.RawMessage {
			if s == "" {
				return nil
			}
			return json.RawMessage(s)
		}
		if got := sameJSON(raw(c.a), raw(c.b)); got != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, got)
		}
	}
}
