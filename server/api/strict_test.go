package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzStrictBody feeds bodies. What is taken holds what its bytes say: no replacement character that is not in them, and as
// many names as there are in its outermost object.
func FuzzStrictBody(f *testing.F) {
	for _, body := range []string{
		`{"by":"ann"}`, `{"by":"ann","by":"bob"}`, `{"by":"ann","BY":"bob"}`, `{"params":{"a":"1","A":"2"}}`, `{"params":{"a":"1","a":"2"}}`,
		`{"by":"\ud83d\ude00"}`, `{"by":"\ud83d"}`, `{"by":"\ude00\ud83d"}`, `{"by":"\\ud83d"}`, `{"by":"\ufffd"}`, "{\"by\":\"\xff\"}", `[1,{"a":[{}]}]`, `null`, `"\u"`, `{`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var strict, lenient any
		err := unmarshalStrictly(body, &strict)
		if wrong := json.Unmarshal(body, &lenient); wrong != nil {
			if err == nil {
				t.Errorf("%q is taken, and is no JSON: %v", body, wrong)
			}
			return
		}
		if err != nil {
			return
		}
		document, err := json.Marshal(strict)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.ContainsRune(string(body), '\ufffd') || bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`))
		if strings.ContainsRune(string(document), '\ufffd') && !said {
			t.Errorf("%q became %q", body, document)
		}
		if object, ok := strict.(map[string]any); ok {
			d := json.NewDecoder(bytes.NewReader(body))
			names := 0
			if _, err := d.Token(); err != nil {
				t.Fatal(err)
			}
			for d.More() {
				var value json.RawMessage
				if _, err := d.Token(); err != nil {
					t.Fatal(err)
				}
				if err := d.Decode(&value); err != nil {
					t.Fatal(err)
				}
				names++
			}
			if names != len(object) {
				t.Errorf("%q has %d names, of which %d were taken", body, names, len(object))
			}
		}
	})
}
