package csvcodec

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unsafe"
)

// Types of one's own with database/sql's methods, and what goes as JSON.

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typeValuer   = reflect.TypeFor[driver.Valuer]()
)

// isTimeScanner tells types that hold a time, such as sql.NullTime and pgtype.Date: they
// give one back once they have scanned it. Their text is ours to read, by the layout.
func isTimeScanner(t reflect.Type) (is bool) {
	if !reflect.PointerTo(t).Implements(typeValuer) {
		return false
	}
	defer func() {
		if recover() != nil { // a type that cannot do it
			is = false
		}
	}()
	v := reflect.New(t).Interface()
	if v.(sql.Scanner).Scan(time.Date(2001, 2, 3, 0, 0, 0, 0, time.UTC)) != nil {
		return false
	}
	value, err := v.(driver.Valuer).Value()
	_, is = value.(time.Time)
	return is && err == nil
}

// scan fills a type by its Scan method: NULL is nil, all else its text, or a time.
func (p *plan) scan(o *op, data []byte, lo, hi int, dst unsafe.Pointer) *fault {
	v := reflect.NewAt(o.typ, dst).Interface().(sql.Scanner)
	if !p.opts.AllowInvalidText {
		if f := checkText(data, lo, hi); f != nil {
			return f
		}
	}
	if o.kind == kindScanTime {
		t, f := p.timesOf(o).parse(data, lo, hi)
		if f == nil {
			if err := v.Scan(t); err != nil {
				return ownFault(o.name, data[lo:hi], err)
			}
			return nil
		}
		if lo == hi {
			return scanNull(o, dst)
		}
		// What is no time may be one to the type: infinity.
		if v.Scan(string(data[lo:hi])) != nil {
			return f
		}
		return nil
	}
	if err := v.Scan(p.arena.clone(data, lo, hi)); err != nil {
		if lo == hi { // in quotes, and no text to the type
			return scanNull(o, dst)
		}
		return ownFault(o.name, data[lo:hi], err)
	}
	return nil
}

// scanNull fills a type with NULL.
func scanNull(o *op, dst unsafe.Pointer) *fault {
	if err := reflect.NewAt(o.typ, dst).Interface().(sql.Scanner).Scan(nil); err != nil {
		return &fault{"is empty: " + err.Error(), ErrNull}
	}
	return nil
}

// numberLike tells types that read themselves and take 1.5 but not 1,5: under a decimal
// comma they would take a point between thousands for their decimal mark.
func (p *plan) numberLike(o op) bool {
	switch o.kind {
	case kindText, kindCSV, kindScan:
	default:
		return false
	}
	takes := func(text string) (ok bool) {
		defer func() {
			if recover() != nil {
				ok = false
			}
		}()
		data := append([]byte(text), make([]byte, slack)...)
		return p.store(&o, data, 0, len(text), reflect.New(o.typ).UnsafePointer()) == nil
	}
	return takes("1.5") && !takes("1,5") && !takes("x")
}

// readJSON reads a slice as gocsv does, and refuses what JSON would lose: members that
// the type lacks, null for what cannot be nil, numbers that are not held exactly.
func readJSON(o *op, text []byte, dst unsafe.Pointer) *fault {
	v := reflect.NewAt(o.typ, dst)
	if len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, v.Interface()); err != nil {
		return ownFault(o.name, text, err)
	}
	back, err := json.Marshal(v.Interface())
	if err == nil && !sameJSON(text, back) {
		err = fmt.Errorf("a %s does not hold all of this JSON", o.typ)
	}
	if err != nil {
		return ownFault(o.name, text, err)
	}
	return nil
}

// appendJSON writes a slice as gocsv does, if it is read back as it was.
func appendJSON(t reflect.Type, src unsafe.Pointer) ([]byte, error) {
	v := reflect.NewAt(t, src)
	if v.Elem().Kind() == reflect.Slice && v.Elem().IsNil() {
		return []byte("null"), nil
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return nil, err
	}
	back := reflect.New(t)
	if err := json.Unmarshal(text, back.Interface()); err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(back.Elem().Interface(), v.Elem().Interface()) {
		return nil, fmt.Errorf("%s cannot be written as JSON without a loss", t)
	}
	return text, nil
}
