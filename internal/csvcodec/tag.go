package csvcodec

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const tagName = "csv"

// A fieldTag is what a field's csv tag says.
type fieldTag struct {
	names     []string // none when the tag does not name the column
	skip      bool     // csv:"-"
	omitEmpty bool
	partial   bool
	fallback  string // of default=
	length    int    // of csv[], 0 without

	layout, location string // of csv.layout and csv.location
	position         int    // of csv.column, from 1
	exact            bool   // csv.name gives the name
}

// parseTag reads a field's tag. The first entry is a name, whatever it looks like; those
// behind it are gocsv's options or more names. (gocsv takes every entry that begins with
// "partial" for the option, a column partial_payment among them.) What can only be a
// mistake is an error: half a tag that is understood changes data in silence.
func parseTag(f reflect.StructField) (t fieldTag, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("field %s: the tag csv:%q %w", f.Name, f.Tag.Get(tagName), err)
		}
	}()
	text := f.Tag.Get(tagName)
	raw := 0 // how much of text are names
	at := 0
	for i, entry := range strings.Split(text, ",") {
		at += len(entry) + 1
		entry = strings.TrimSpace(entry)
		option := true
		switch {
		case i == 0:
			option = false
			if entry == "omitempty" || strings.HasPrefix(entry, "default=") {
				return t, fmt.Errorf("names a column %q: an option comes behind a comma", entry)
			}
			t.names = append(t.names, entry)
		case entry == "omitempty":
			t.omitEmpty = true
		case entry == "partial":
			t.partial = true
		case strings.HasPrefix(entry, "default="):
			if t.fallback != "" {
				return t, fmt.Errorf("has two defaults")
			}
			if t.fallback = strings.TrimPrefix(entry, "default="); t.fallback == "" {
				return t, fmt.Errorf("has an empty default: for the zero value say omitempty")
			}
		case t.fallback != "":
			return t, fmt.Errorf("has %q behind the default, which a comma ends: put names in front of it", entry)
		case looksLikeOption(entry):
			return t, fmt.Errorf("has %q, which is no option: there are omitempty, partial and default=", entry)
		default:
			option = false
			t.names = append(t.names, entry)
		}
		if !option && len(t.names) == i+1 {
			raw = at - 1
		}
	}
	switch {
	case t.names[0] == "-" && len(t.names) == 1:
		t.skip = true
	case t.names[0] == "" && len(t.names) > 1:
		return t, fmt.Errorf("has an empty name before others")
	case t.names[0] == "":
		t.names = nil
	case len(t.names) > 1:
		// A name with a comma in it, as in "Last, First", answers too.
		t.names = append(t.names, text[:raw])
	}
	if t.omitEmpty && t.fallback != "" {
		return t, fmt.Errorf("has both omitempty and default=: an empty cell is one or the other")
	}
	if err := t.readOwn(f); err != nil {
		return t, err
	}
	return t, t.readLength(f)
}

// looksLikeOption recognises options of other packages and misspelt ones.
func looksLikeOption(entry string) bool {
	word := strings.ToLower(entry)
	return word == "" || word == "-" || word == "inline" || word == "squash" ||
		strings.HasPrefix(word, "omit") || strings.HasPrefix(word, "default") || strings.HasPrefix(word, "partial")
}

// readLength reads the csv[] tag of a slice or an array.
func (t *fieldTag) readLength(f reflect.StructField) error {
	text, ok := f.Tag.Lookup(tagName + "[]")
	if !ok || t.skip {
		return nil
	}
	k := f.Type.Kind()
	if k != reflect.Slice && k != reflect.Array {
		return fmt.Errorf("stands beside csv[]:%q, which is for slices and arrays, not %s", text, f.Type)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > limitElements {
		return fmt.Errorf("stands beside csv[]:%q: want the number of elements, 1 to %d", text, limitElements)
	}
	if k == reflect.Array && n != f.Type.Len() {
		return fmt.Errorf("stands beside csv[]:%q, but the field has %d elements", text, f.Type.Len())
	}
	t.length = n
	return nil
}

// limitElements bounds csv[]: each element is a column.
const limitElements = 1 << 14

// ignored says which of the tag's options a field that is no column of its own ignores.
func (t *fieldTag) ignored() string {
	switch {
	case t.omitEmpty:
		return "omitempty"
	case t.partial:
		return "partial"
	case t.fallback != "":
		return "default="
	}
	return ""
}

// namesOf returns the field's names, behind those of the structs that it lies in, joined by a
// dot. (With several prefixes gocsv compounds them as here; the files of such structs exist.)
func (t *fieldTag) namesOf(f reflect.StructField, prefixes []string) []string {
	names := slices.Clone(t.names)
	if len(names) == 0 {
		names = []string{f.Name}
	}
	var joined []string
	for _, prefix := range prefixes {
		for _, name := range names {
			joined = append(joined, prefix+"."+name)
		}
		names = joined
	}
	return names
}

// Keys of ours beside gocsv's csv and csv[], which say what a gocsv tag has no words for.
const (
	keyName     = "csv.name"   // the column's name as it stands, commas, spaces and nothing included
	keyColumn   = "csv.column" // its position, from 1
	keyLayout   = "csv.layout" // how its times are written
	keyLocation = "csv.location"
)

// readOwn reads the keys of ours.
func (t *fieldTag) readOwn(f reflect.StructField) error {
	if name, ok := f.Tag.Lookup(keyName); ok {
		if len(t.names) > 0 {
			return fmt.Errorf("stands beside %s:%q: give the name once", keyName, name)
		}
		t.names, t.exact = []string{name}, true
	}
	if text, ok := f.Tag.Lookup(keyColumn); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > defaultMaxColumns {
			return fmt.Errorf("stands beside %s:%q: want the column's position, from 1", keyColumn, text)
		}
		if t.partial {
			return fmt.Errorf("has partial beside %s, which leaves nothing to look for", keyColumn)
		}
		t.position = n
	}
	t.layout, t.location = f.Tag.Get(keyLayout), f.Tag.Get(keyLocation)
	if own := t.own(); t.skip && own != "" {
		return fmt.Errorf("leaves the field out: %s has no effect", own)
	}
	return nil
}

// own names one of our keys that is set, "" if none is.
func (t *fieldTag) own() string {
	switch {
	case t.exact:
		return keyName
	case t.position > 0:
		return keyColumn
	case t.layout != "":
		return keyLayout
	case t.location != "":
		return keyLocation
	}
	return ""
}
