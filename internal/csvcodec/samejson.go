package csvcodec

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
)

// sameJSON tells whether two texts of JSON say the same, up to the order of members and
// the rounding of numbers with a fraction to a float.
func sameJSON(a, b []byte) bool {
	x, err1 := jsonTree(a)
	y, err2 := jsonTree(b)
	return err1 == nil && err2 == nil && sameTree(x, y)
}

func jsonTree(text []byte) (tree any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&tree)
	return tree, err
}

func sameTree(x, y any) bool {
	switch x := x.(type) {
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameTree(x[i], y[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok {
			return false
		}
		for name, v := range x { // what y has besides are zero members
			w, ok := y[name]
			if !ok || !sameTree(v, w) {
				return false
			}
		}
		return true
	case string:
		y, ok := y.(string)
		// Half of a surrogate pair becomes U+FFFD.
		return ok && x == y && !strings.ContainsRune(x, '\uFFFD')
	case json.Number:
		y, ok := y.(json.Number)
		return ok && sameNumber(string(x), string(y))
	}
	return x == y
}

func sameNumber(x, y string) bool {
	if len(x) > 400 || len(y) > 400 {
		return x == y
	}
	if !strings.ContainsAny(x, ".eE") {
		i, ok1 := new(big.Int).SetString(x, 10)
		f, _, err := big.ParseFloat(y, 10, 2048, big.ToNearestEven)
		return ok1 && err == nil && f.Cmp(new(big.Float).SetPrec(2048).SetInt(i)) == 0
	}
	f, err1 := json.Number(x).Float64()
	g, err2 := json.Number(y).Float64()
	return err1 == nil && err2 == nil && float32(f) == float32(g)
}
