package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"slices"
	"strings"
	"unicode"

	pq "github.com/parquet-go/parquet-go"
	pqformat "github.com/parquet-go/parquet-go/format"
)

// printer prints the types of a schema.
type printer struct {
	imports map[string]bool
	types   []string // the declarations so far
	names   map[string]bool
}

// program prints a program that loads the file: the struct, and the source as a literal.
func program(schema *pq.Schema, path string) ([]byte, error) {
	p := &printer{imports: map[string]bool{}, names: map[string]bool{"main": true}}
	row, err := p.structOf(schema, "Row")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("package main\n\nimport (\n\t\"context\"\n\t\"fmt\"\n\t\"log\"\n")
	if p.imports["time"] {
		b.WriteString("\t\"time\"\n")
	}
	b.WriteString("\n")
	if p.imports["uuid"] {
		b.WriteString("\t\"github.com/google/uuid\"\n")
	}
	if p.imports["deprecated"] {
		b.WriteString("\t\"github.com/parquet-go/parquet-go/deprecated\"\n")
	}
	if p.imports["uuid"] || p.imports["deprecated"] {
		b.WriteString("\n")
	}
	b.WriteString("\t\"github.com/millrace/millrace/parquet\"\n\t\"github.com/millrace/millrace/pipeline\"\n)\n\n")
	b.WriteString(strings.Join(p.types, "\n"))
	fmt.Fprintf(&b, `
func main() {
	p := pipeline.New("load", pipeline.Options{})
	rows := pipeline.From(p, "read", parquet.Source[%s]{Path: %q})
	pipeline.To(rows, "print", pipeline.SinkFunc[%[1]s](func(_ context.Context, in *pipeline.Reader[%[1]s]) error {
		n := 0
		for _, err := range in.All() {
			if err != nil {
				return err
			}
			n++
		}
		fmt.Println(n, "rows")
		return nil
	}))
	if _, err := p.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
`, row, path)
	return format.Source(b.Bytes())
}

// structOf declares the struct of a group, and returns its name.
func (p *printer) structOf(group pq.Node, want string) (string, error) {
	name := unique(want, p.names)
	at := len(p.types)
	p.types = append(p.types, "")
	var b strings.Builder
	if at == 0 {
		fmt.Fprintf(&b, "// %s is a row of the file.\n", name)
	} else {
		fmt.Fprintf(&b, "// %s is a group of columns.\n", name)
	}
	fmt.Fprintf(&b, "type %s struct {\n", name)
	fields := map[string]bool{}
	for _, f := range group.Fields() {
		if strings.ContainsAny(f.Name(), "`\",") {
			fmt.Fprintf(&b, "\t// The column %q has a name that no tag can hold.\n", f.Name())
			continue
		}
		field := unique(goName(f.Name()), fields)
		goType, tag, err := p.typeOf(f, name+field)
		if err != nil {
			return "", fmt.Errorf("column %q: %w", f.Name(), err)
		}
		fmt.Fprintf(&b, "\t%s %s `parquet:\"%s\"`%s\n", field, goType, strings.Join(append([]string{f.Name()}, tag...), ","), remark(f))
	}
	b.WriteString("}\n")
	p.types[at] = b.String()
	return name, nil
}

// remark tells what the type of a field does not.
func remark(n pq.Node) string {
	if n.Leaf() && strings.Contains(n.Type().String(), "DECIMAL") && strings.HasSuffix(n.Type().Kind().String(), "BYTE_ARRAY") {
		return " // " + n.Type().String() + ", unscaled, the most significant byte first"
	}
	return ""
}

// typeOf returns the type of a field, and the options of its tag.
func (p *printer) typeOf(n pq.Node, name string) (goType string, tag []string, err error) {
	switch {
	case n.Leaf():
		goType, tag, err = p.leaf(n)
	case isList(n):
		if goType, tag, err = p.typeOf(n.Fields()[0].Fields()[0], name); err != nil {
			return "", nil, err
		}
		if len(tag) > 0 {
			return "", nil, fmt.Errorf("a list of %s cannot be said by tags", n.Fields()[0].Fields()[0].Type())
		}
		if strings.HasPrefix(goType, "*") && !strings.HasPrefix(goType[1:], "[]") {
			goType = "[]" + goType
		} else {
			goType = "[]" + strings.TrimPrefix(goType, "*")
		}
		tag = []string{"list"}
		if n.Optional() {
			tag = append(tag, "optional")
		}
		return goType, tag, nil
	case isMap(n):
		pair := n.Fields()[0]
		key, keyTag, err := p.typeOf(pair.Fields()[0], name+"Key")
		if err != nil {
			return "", nil, err
		}
		value, valueTag, err := p.typeOf(pair.Fields()[1], name)
		if err == nil && len(keyTag)+len(valueTag) > 0 {
			err = errors.New("a map of such keys or values cannot be said by tags")
		}
		if err != nil {
			return "", nil, err
		}
		if n.Optional() {
			tag = []string{"optional"}
		}
		return "map[" + key + "]" + value, tag, nil
	default:
		goType, err = p.structOf(n, name)
	}
	switch {
	case err != nil:
	case n.Repeated():
		goType = "[]" + goType
	case n.Optional():
		if goType == "[]byte" {
			return goType, append(tag, "optional"), nil
		}
		goType = "*" + goType
	}
	return goType, tag, err
}

func isList(n pq.Node) bool {
	f := n.Fields()
	return len(f) == 1 && f[0].Name() == "list" && f[0].Repeated() && len(f[0].Fields()) == 1 && f[0].Fields()[0].Name() == "element"
}

func isMap(n pq.Node) bool {
	f := n.Fields()
	if len(f) != 1 || f[0].Name() != "key_value" || !f[0].Repeated() || len(f[0].Fields()) != 2 {
		return false
	}
	return f[0].Fields()[0].Name() == "key" && f[0].Fields()[1].Name() == "value"
}

func (p *printer) leaf(n pq.Node) (goType string, tag []string, err error) {
	t := n.Type()
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *pqformat.TimestampType:
			p.imports["time"] = true
			unit := units[l.Unit.String()]
			if !l.IsAdjustedToUTC {
				unit += ":local"
			}
			return "time.Time", []string{"timestamp(" + unit + ")"}, nil
		case *pqformat.DateType:
			return "int32", []string{"date"}, nil
		case *pqformat.TimeType:
			unit := units[l.Unit.String()]
			if !l.IsAdjustedToUTC {
				unit += ":local"
			}
			p.imports["time"] = true
			return "time.Duration", []string{"time(" + unit + ")"}, nil
		case *pqformat.DecimalType:
			if t.Kind() == pq.Int32 || t.Kind() == pq.Int64 {
				tag = []string{fmt.Sprintf("decimal(%d:%d)", l.Scale, l.Precision)}
			}
		case *pqformat.IntType:
			if l.IsSigned {
				return fmt.Sprintf("int%d", l.BitWidth), nil, nil
			}
			return fmt.Sprintf("uint%d", l.BitWidth), nil, nil
		case *pqformat.UUIDType:
			p.imports["uuid"] = true
			return "uuid.UUID", nil, nil
		case *pqformat.StringType:
			return "string", nil, nil
		case *pqformat.EnumType:
			return "string", []string{"enum"}, nil
		case *pqformat.JsonType:
			return "string", []string{"json"}, nil
		}
	}
	switch t.Kind() {
	case pq.Boolean:
		return "bool", tag, nil
	case pq.Int32:
		return "int32", tag, nil
	case pq.Int64:
		return "int64", tag, nil
	case pq.Int96:
		p.imports["deprecated"] = true
		return "deprecated.Int96", tag, nil
	case pq.Float:
		return "float32", tag, nil
	case pq.Double:
		return "float64", tag, nil
	case pq.FixedLenByteArray:
		return fmt.Sprintf("[%d]byte", t.Length()), tag, nil
	case pq.ByteArray:
		return "[]byte", tag, nil
	}
	return "", nil, fmt.Errorf("the type %s is not known", t)
}

var units = map[string]string{"MILLIS": "millisecond", "MICROS": "microsecond", "NANOS": "nanosecond"}

// goName makes an exported name of a column's: total_price becomes TotalPrice.
func goName(column string) string {
	var b strings.Builder
	up := true
	for _, r := range column {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	name := b.String()
	if first := []rune(name + " ")[0]; !unicode.IsUpper(first) {
		name = "C" + name
	}
	if slices.Contains([]string{"ID", "Id"}, name) {
		return "ID"
	}
	return name
}

func unique(want string, taken map[string]bool) string {
	name := want
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s%d", want, i)
	}
	taken[name] = true
	return name
}
