package parquet

import (
	"fmt"
	"reflect"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// schemaOf returns the schema of T, or what is wrong with T.
func schemaOf[T any]() (schema *pq.Schema, err error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%v is no struct", t)
	}
	defer func() {
		if p := recover(); p != nil { // the library's way to say what it cannot store
			schema, err = nil, fmt.Errorf("the type %v: %v", t, p)
		}
	}()
	schema = pq.SchemaOf(*new(T))
	if empty := emptyGroup(schema, nil); empty != nil {
		return nil, fmt.Errorf("the type %v: %s has no field that could be a column: a type with methods of its own is not stored "+
			"by them; use a field of a plain type", t, what(empty))
	}
	return schema, nil
}

// emptyGroup finds a struct of which nothing would be stored.
func emptyGroup(n pq.Node, path []string) []string {
	if n.Leaf() {
		return nil
	}
	if len(n.Fields()) == 0 {
		return append([]string{}, path...)
	}
	for _, f := range n.Fields() {
		if empty := emptyGroup(f, append(path, f.Name())); empty != nil {
			return empty
		}
	}
	return nil
}

func what(path []string) string {
	if len(path) == 0 {
		return "it"
	}
	return "the field of column " + quoted(path)
}

func quoted(path []string) string { return fmt.Sprintf("%q", strings.Join(path, ".")) }

// field returns the child of a name, nil if there is none.
func field(n pq.Node, name string) pq.Node {
	for _, f := range n.Fields() {
		if f.Name() == name {
			return f
		}
	}
	return nil
}
