package pgcodec

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

type embeddedTag struct {
	A string `db:"a,pk"`
}

func fieldsOf[T any]() error {
	_, err := Fields(reflect.TypeFor[T]())
	return err
}

// The db tag has no options: each that other packages have, on a field of any type, in any place, is an error.
func TestEveryOptionOfADbTagIsAnError(t *testing.T) {
	types := []reflect.Type{
		reflect.TypeFor[int](), reflect.TypeFor[uint8](), reflect.TypeFor[float64](), reflect.TypeFor[bool](), reflect.TypeFor[string](),
		reflect.TypeFor[[]byte](), reflect.TypeFor[[]string](), reflect.TypeFor[[2]int](), reflect.TypeFor[map[string]any](), reflect.TypeFor[any](),
		reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[struct{ A int }](), reflect.TypeFor[address](),
		reflect.TypeFor[pgtype.Date](), reflect.TypeFor[pgtype.Numeric](), reflect.TypeFor[func()](), reflect.TypeFor[chan int](),
	}
	options := []string{"", "omitempty", "omitzero", "default=7", "pk", "primarykey, autoincrement", "size:50", "json", "inline", "-", "string", "partial"}
	cases := 0
	for _, base := range types {
		for _, typ := range []reflect.Type{base, reflect.PointerTo(base), reflect.SliceOf(base)} {
			for _, name := range []string{"v", "V", "a b", "", "-"} {
				for _, first := range options {
					for _, second := range append([]string{"none"}, options...) {
						tag := name + "," + first
						if second != "none" {
							tag += "," + second
						}
						field := reflect.StructField{Name: "V", Type: typ, Tag: reflect.StructTag(fmt.Sprintf("db:%q", tag))}
						other := reflect.StructField{Name: "First", Type: reflect.TypeFor[string]()}
						within := reflect.StructField{Name: "In", Type: reflect.StructOf([]reflect.StructField{field}), Anonymous: true}
						for _, s := range []reflect.Type{reflect.StructOf([]reflect.StructField{other, field}), reflect.StructOf([]reflect.StructField{other, within})} {
							cases++
							if _, err := Fields(s); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("V: the tag db:%q", tag)) {
								t.Errorf("%s with db:%q: got %v", typ, tag, err)
							}
						}
					}
				}
			}
		}
	}
	if cases < 10_000 {
		t.Errorf("only %d cases", cases)
	}
}
