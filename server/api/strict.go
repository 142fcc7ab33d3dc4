package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// What a client says twice, or in bytes that are no text, is refused: a lenient decoder would choose one of the two, or
// put U+FFFD for the bytes, and the history would hold what nobody has said.

// unmarshalStrictly is json.Unmarshal for bodies.
func unmarshalStrictly(body []byte, v any) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not UTF-8")
	}
	if err := json.Unmarshal(body, v); err != nil {
		return err
	}
	if err := halfCharacters(body); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	return twice(d, 0)
}

// twice finds a name that an object of valid JSON has twice. The names of the outermost are fields of ours, which the
// decoder takes in any letter case.
func twice(d *json.Decoder, depth int) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			token, err := d.Token()
			if err != nil {
				return err
			}
			name, _ := token.(string) // JSON has no other names
			if depth == 0 {
				name = strings.ToLower(name)
			}
			if seen[name] {
				return errors.New("a name is there twice: " + strconv.Quote(name[:min(len(name), 60)]))
			}
			seen[name] = true
		}
		if err := twice(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token() // the end
	return err
}

// halfCharacters finds an escape of valid JSON that is half of a pair (\ud800), which is no character.
func halfCharacters(body []byte) error {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++
		if body[i] != 'u' {
			continue
		}
		first := escaped(body[i+1:])
		i += 4
		if !utf16.IsSurrogate(first) {
			continue
		}
		if rest := body[i+1:]; len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' || utf16.DecodeRune(first, escaped(rest[2:])) == utf8.RuneError {
			return errors.New("an escape in the body is half of a character")
		}
		i += 6
	}
	return nil
}

func escaped(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:min(4, len(digits))]), 16, 32) // valid JSON has four
	return rune(n)
}

// queryProblem finds what is wrong with a query as such. A list is one parameter, its members separated by commas.
func queryProblem(raw string) *huma.ErrorModel {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return problem(http.StatusUnprocessableEntity, "the query could not be read")
	}
	for name, values := range query {
		switch {
		case !utf8.ValidString(name) || !utf8.ValidString(values[0]):
			return problem(http.StatusUnprocessableEntity, "the query is not UTF-8")
		case len(values) > 1:
			what := "is there twice"
			return problem(http.StatusUnprocessableEntity, "a parameter of the query "+what, &huma.ErrorDetail{Message: what, Location: "query." + name[:min(len(name), 60)]})
		}
	}
	return nil
}
