package pgcodec

import (
	"fmt"
	"reflect"
	"strings"
)

// Field is a field of a struct that maps to a column.
type Field struct {
	// Name is the db tag's name, otherwise the Go name.
	Name string

	// Tagged is true if Name comes from a db tag. A tag names its column
	// exactly, or failing that without regard to letter case; a Go name also
	// without regard to underscores.
	Tagged bool

	// Path is the Go name with the structs that embed it: "Address.City".
	Path string

	Type   reflect.Type
	Offset uintptr // from the start of the outermost struct
}

// Fields lists the fields of a struct type (or of a pointer to one) that map to
// columns, in the order of their declaration. The rules are those of pgx's
// RowToStructByName:
//
//   - `db:"name"` names the column; `db:"-"` leaves the field out;
//   - unexported fields are left out; a db tag on one is an error;
//   - the fields of an embedded struct count as the outer struct's own, unless
//     the embedded field has a db tag of its own, in which case it is one column
//     (there pgx would ignore the tag).
//
// It is an error if two fields have the same name, if t is not a struct, or if a tag has options,
// which pgx would pass over in silence, as it does with what follows a comma in a name.
func Fields(t reflect.Type) ([]Field, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s: a record must be a struct, so that its fields can name columns", t)
	}
	fields, err := appendFields(nil, t, 0, "")
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("%s has no exported field that could be a column", t)
	}
	seen := make(map[string]Field, len(fields))
	for _, f := range fields {
		key := f.Name
		if !f.Tagged {
			key = normalize(f.Name)
		}
		if first, ok := seen[key]; ok && first.Tagged == f.Tagged {
			return nil, fmt.Errorf("%s: fields %s and %s are both for column %q", t, first.Path, f.Path, f.Name)
		}
		seen[key] = f
	}
	return fields, nil
}

func appendFields(fields []Field, t reflect.Type, offset uintptr, prefix string) ([]Field, error) {
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("db")
		path := prefix + sf.Name
		if tag == "-" {
			continue
		}
		if strings.Contains(tag, ",") {
			return nil, fmt.Errorf("field %s: the tag db:%q is to be the name of a column, in which a comma cannot be, and has no options", path, tag)
		}
		if tag == "" {
			tagged = false
		}
		if tagged && !sf.IsExported() {
			return nil, fmt.Errorf("field %s: the tag db:%q has no effect on a field that is not exported", path, tag)
		}
		if sf.Anonymous && sf.Type.Kind() == reflect.Struct && !tagged {
			var err error
			if fields, err = appendFields(fields, sf.Type, offset+sf.Offset, path+"."); err != nil {
				return nil, err
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		f := Field{Name: sf.Name, Tagged: tagged, Path: path, Type: sf.Type, Offset: offset + sf.Offset}
		if tagged {
			f.Name = tag
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func normalize(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", ""))
}

// matchColumn finds the column of a field: -1 if there is none. Two columns that
// fit equally well are an error, where pgx would take the first.
func matchColumn(f Field, cols []Column) (int, error) {
	for i, c := range cols {
		if c.Name == f.Name {
			return i, nil
		}
	}
	found := -1
	for i, c := range cols {
		same := strings.EqualFold(c.Name, f.Name)
		if !f.Tagged {
			same = strings.EqualFold(strings.ReplaceAll(c.Name, "_", ""), strings.ReplaceAll(f.Name, "_", ""))
		}
		if !same {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("field %s could be column %q or column %q: a db tag must say which", f.Path, cols[found].Name, c.Name)
		}
		found = i
	}
	return found, nil
}

// match gives each field the index of its column. All problems come together.
func match(fields []Field, cols []Column) ([]int, []error) {
	var problems []error
	index := make([]int, len(fields))
	taken := make(map[int]Field, len(fields))
	for i, f := range fields {
		c, err := matchColumn(f, cols)
		index[i] = c
		switch {
		case err != nil:
			problems = append(problems, err)
		case c < 0:
			names := columnNames(cols)
			problems = append(problems, &MissingColumnError{
				Field: f.Path, Column: f.columnName(), Present: names, Nearest: Nearest(f.columnName(), names),
			})
		default:
			if first, ok := taken[c]; ok {
				problems = append(problems, fmt.Errorf("fields %s and %s are both for column %q", first.Path, f.Path, cols[c].Name))
			}
			taken[c] = f
		}
	}
	return index, problems
}

// columnName is the name to look for, as a person would write it in SQL: the tag,
// or the Go name in snake case.
func (f Field) columnName() string {
	if f.Tagged {
		return f.Name
	}
	return snakeCase(f.Name)
}

// snakeCase writes a Go name as a column's: SaleID is sale_id, HTTPStatus is http_status.
func snakeCase(name string) string {
	var b strings.Builder
	runes := []rune(name)
	upper := func(i int) bool { return i < len(runes) && runes[i] >= 'A' && runes[i] <= 'Z' }
	for i, r := range runes {
		if upper(i) && i > 0 && runes[i-1] != '_' && (!upper(i-1) || (i+1 < len(runes) && !upper(i+1) && runes[i+1] != '_' && (runes[i+1] < '0' || runes[i+1] > '9'))) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}
