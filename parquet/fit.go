package parquet

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// A fit is how the rows of a file become records.
//
//	the file's rows ─▶ read: only the columns that T has ─▶ NULL where T has none? ─▶ levels: as T has them ─▶ T
//
// Where no NULL can be unwanted, read does what levels does too.
type fit struct {
	read    pq.Conversion // nil if the file's schema is that of the records
	levels  pq.Conversion // nil if read has done it
	columns []fitColumn   // those of read, if a NULL may be unwanted
}

// A fitColumn knows where a NULL is one that the field cannot hold.
type fitColumn struct {
	name  string
	nulls []int // the definition levels of those
}

// fitTo holds the schema of a file against that of the records, and tells all that does not fit.
func fitTo(record, file *pq.Schema) (*fit, error) {
	w := &fitter{}
	kept := w.group(record, file, nil)
	if len(w.problems) > 0 {
		return nil, errors.Join(w.problems...)
	}
	if pq.EqualNodes(record, file) {
		return &fit{}, nil
	}
	f := &fit{}
	narrowed := pq.NewSchema(file.Name(), kept)
	unwanted := false
	for _, path := range narrowed.Columns() {
		c := fitColumn{strings.Join(path, "."), unwantedNulls(record, narrowed, path)}
		unwanted = unwanted || len(c.nulls) > 0
		f.columns = append(f.columns, c)
	}
	var err error
	if !unwanted {
		f.columns = nil
		f.read, err = pq.Convert(record, file)
		return f, err
	}
	if !pq.EqualNodes(narrowed, file) {
		if f.read, err = pq.Convert(narrowed, file); err != nil {
			return nil, err
		}
	}
	f.levels, err = pq.Convert(record, narrowed)
	return f, err
}

// unwantedNulls lists the definition levels at which a column of the file is NULL and the field is not.
func unwantedNulls(record, file pq.Node, path []string) (levels []int) {
	level := 0
	for _, name := range path {
		record, file = field(record, name), field(file, name)
		switch {
		case file.Optional():
			if !record.Optional() {
				levels = append(levels, level)
			}
			level++
		case file.Repeated():
			level++
		}
	}
	return levels
}

type fitter struct{ problems []error }

func (w *fitter) problem(path []string, text string, args ...any) {
	w.problems = append(w.problems, fmt.Errorf("column %s: "+text, append([]any{quoted(path)}, args...)...))
}

// group returns those columns of the file that the record has, as the file has them.
func (w *fitter) group(record, file pq.Node, path []string) pq.Group {
	kept := pq.Group{}
	for _, r := range record.Fields() {
		at := append(slices.Clip(path), r.Name())
		f := field(file, r.Name())
		if f == nil {
			var names []string
			for _, f := range file.Fields() {
				names = append(names, f.Name())
			}
			w.problem(at, "is not there; there are: %s", shorten(strings.Join(names, ", ")))
			continue
		}
		if node := w.node(r, f, at); node != nil {
			kept[r.Name()] = node
		}
	}
	return kept
}

func (w *fitter) node(record, file pq.Node, at []string) pq.Node {
	switch {
	case record.Leaf() != file.Leaf() || record.Repeated() != file.Repeated():
		w.problem(at, "is %s, and its field would be %s", shapeOf(file), shapeOf(record))
		return nil
	case file.Leaf():
		if reason := leafFits(record.Type(), file.Type()); reason != "" {
			w.problem(at, "%s", reason)
		}
		return file
	}
	var node pq.Node = w.group(record, file, at)
	switch {
	case file.Optional():
		node = pq.Optional(node)
	case file.Repeated():
		node = pq.Repeated(node)
	}
	return node
}

func shapeOf(n pq.Node) string {
	shape := "a group"
	switch {
	case n.Leaf():
		shape = n.Type().String()
	case len(n.Fields()) == 1 && n.Fields()[0].Repeated():
		shape = "a list (tag list)"
	}
	if n.Repeated() {
		return "repeated " + shape
	}
	return shape
}

// leafFits says why a value of the file's type cannot always be one of the record's. Units of time and scales must be the
// same: another one would overflow, or lose digits, for some value.
func leafFits(record, file pq.Type) string {
	rl, fl := logical(record), logical(file)
	differ := fmt.Sprintf("is %s, and its field is %s", file, record)
	switch f := fl.(type) {
	case *format.DecimalType:
		// The bytes of a large one may be had as they are: the unscaled value, the most significant byte first.
		if file.Kind() == pq.FixedLenByteArray {
			if rl == nil && record.Kind() == file.Kind() && record.Length() == file.Length() {
				return ""
			}
			return differ + fmt.Sprintf("; a field of %s without a tag gets its bytes, most significant first", goKind(file))
		}
		r, ok := rl.(*format.DecimalType)
		if !ok || r.Scale != f.Scale || r.Precision < f.Precision || record.Kind() != file.Kind() || record.Length() != file.Length() {
			return differ + fmt.Sprintf("; a field of %s with the tag decimal(%d:%d) fits", goKind(file), f.Scale, f.Precision)
		}
		return ""
	case *format.TimestampType:
		r, ok := rl.(*format.TimestampType)
		if !ok || r.IsAdjustedToUTC != f.IsAdjustedToUTC || r.Unit.String() != f.Unit.String() {
			tag := unitName(f.Unit)
			if !f.IsAdjustedToUTC {
				tag += ":local"
			}
			return differ + fmt.Sprintf("; a time.Time with the tag timestamp(%s) fits", tag)
		}
		return ""
	case *format.TimeType:
		r, ok := rl.(*format.TimeType)
		if !ok || r.IsAdjustedToUTC != f.IsAdjustedToUTC || r.Unit.String() != f.Unit.String() {
			return differ + fmt.Sprintf("; a field with the tag time(%s) fits", unitName(f.Unit))
		}
		return ""
	case *format.DateType:
		if _, ok := rl.(*format.DateType); !ok {
			return differ + "; a time.Time or an int32 with the tag date fits"
		}
		return ""
	}
	if file.Kind() == pq.Int96 && record.Kind() != pq.Int96 {
		return differ + "; use " + goKind(file)
	}
	switch rl.(type) {
	case *format.DecimalType, *format.TimestampType, *format.TimeType, *format.DateType:
		return differ
	}
	if isInt(file) && isInt(record) {
		rb, rs := width(record, rl)
		fb, fs := width(file, fl)
		if rs == fs && rb >= fb && (fs || record.Kind() == file.Kind()) {
			return ""
		}
		return differ + "; use " + intName(fb, fs)
	}
	switch {
	case record.Kind() == pq.Double && file.Kind() == pq.Float:
		return ""
	case record.Kind() != file.Kind() || record.Length() != file.Length():
		return differ + "; use " + goKind(file)
	case file.Kind() == pq.ByteArray:
		return "" // texts, JSON and bytes are what they are
	case fmt.Sprint(rl) != fmt.Sprint(fl) && fl != nil && rl != nil:
		return differ
	}
	return ""
}

func logical(t pq.Type) format.LogicalTypeValue {
	if l := t.LogicalType(); l != nil {
		return l.Value
	}
	return nil
}

func isInt(t pq.Type) bool { return t.Kind() == pq.Int32 || t.Kind() == pq.Int64 }

func width(t pq.Type, l format.LogicalTypeValue) (bits int, signed bool) {
	if i, ok := l.(*format.IntType); ok {
		return int(i.BitWidth), i.IsSigned
	}
	return t.Length(), true
}

func intName(bits int, signed bool) string {
	if signed {
		return fmt.Sprintf("int%d", bits)
	}
	return fmt.Sprintf("uint%d", bits)
}

func goKind(t pq.Type) string {
	switch t.Kind() {
	case pq.Boolean:
		return "bool"
	case pq.Int32:
		return "int32"
	case pq.Int64:
		return "int64"
	case pq.Int96:
		return "deprecated.Int96 of parquet-go"
	case pq.Float:
		return "float32"
	case pq.Double:
		return "float64"
	case pq.FixedLenByteArray:
		return fmt.Sprintf("[%d]byte", t.Length())
	}
	return "string or []byte"
}

func unitName(u format.TimeUnit) string {
	switch u.String() {
	case "MILLIS":
		return "millisecond"
	case "MICROS":
		return "microsecond"
	}
	return "nanosecond"
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "..."
	}
	return s
}
