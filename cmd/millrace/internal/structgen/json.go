package structgen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine is the size of the largest record, as sources.JSONLines has it.
const maxLine = 16 << 20

func (s *source) json(ctx context.Context) (*Program, error) {
	for {
		j := &jsonFile{rows: s.Rows}
		if err := s.readJSON(ctx, j); err != nil {
			return nil, s.at(err)
		}
		if s.guess(j.utf8) {
			continue
		}
		if j.records == 0 {
			return nil, s.at(errors.New("the file holds no records: there is nothing to make a struct of"))
		}
		return s.jsonProgram(j)
	}
}

// jsonFile is what is known of a file of JSON.
type jsonFile struct {
	rows     int
	row      shape
	records  int
	utf8     utf8Count
	bad      int
	firstBad error
}

func (s *source) readJSON(ctx context.Context, j *jsonFile) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	if mark, err := r.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" {
		_, _ = r.Discard(3)
	}
	for {
		b, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return errors.New("the file is empty: there is nothing to make a struct of")
		}
		if err != nil {
			return err
		}
		if bytes.IndexByte([]byte(" \t\r\n"), b) >= 0 {
			continue
		}
		_ = r.UnreadByte()
		if b == '[' {
			return j.array(r)
		}
		return j.lines(r)
	}
}

// array reads the objects of one array.
func (j *jsonFile) array(r io.Reader) error {
	d := json.NewDecoder(r)
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() && (j.rows <= 0 || j.records < j.rows) {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return fmt.Errorf("record %d: %w", j.records+j.bad+1, err)
		}
		j.add(raw, fmt.Sprintf("record %d", j.records+j.bad+1))
	}
	return j.problem()
}

// lines reads an object a line.
func (j *jsonFile) lines(r *bufio.Reader) error {
	for line := 1; j.rows <= 0 || j.records < j.rows; line++ {
		raw, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", line, err)
		}
		if text := bytes.TrimSpace(raw); len(text) > 0 {
			j.add(text, fmt.Sprintf("line %d", line))
		}
		if err != nil {
			break
		}
	}
	return j.problem()
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("the record is larger than %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (j *jsonFile) add(raw []byte, where string) {
	j.utf8.add(raw)
	fail := func(why string) {
		if j.bad++; j.bad == 1 {
			j.firstBad = fmt.Errorf("%s: %s", where, why)
		}
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(raw, new(json.RawMessage)); errors.As(err, &syntax) {
		fail(fmt.Sprintf("%v (byte %d)", err, syntax.Offset))
		return
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		fail("it is no object")
		return
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := j.row.read(d); err != nil {
		fail(err.Error())
		return
	}
	j.records++
}

// problem says why a file without one good record is no file of records.
func (j *jsonFile) problem() error {
	if j.records == 0 && j.bad > 0 {
		return fmt.Errorf("%w: want one JSON object a line, or one array of objects", j.firstBad)
	}
	return nil
}

func (s *source) jsonProgram(j *jsonFile) (*Program, error) {
	p := &Program{what: baseOf(s.input.Path), table: tableName(s.input.Path)}
	literal := s.place(p)
	if j.bad > 0 {
		p.warn("%s cannot be read, the first: %v. They fail the run unless pipeline.Options.MaxRejects allows them.", count(j.bad, "record"), j.firstBad)
	}
	b := jsonStructs{program: p}
	b.types.unique("Row", 100)
	p.row = b.structOf(&j.row, "Row", true)
	if len(p.row.fields) == 0 {
		return nil, s.at(errors.New("the objects have no members: there is nothing to make a struct of"))
	}
	if b.left {
		literal = append(literal, "IgnoreUnknown: true")
	}
	p.source = "sources.JSONLines[Row]{" + strings.Join(literal, ", ") + "}"
	return p, nil
}

// jsonStructs makes structs of shapes.
type jsonStructs struct {
	program *Program
	types   names
	left    bool // a member is left out
}

func (b *jsonStructs) structOf(s *shape, name string, row bool) structType {
	st := structType{name: name}
	var goNames, dbNames names
	for i, m := range s.members {
		if !jsonTag(m.name) {
			b.left = true
			comment := fmt.Sprintf("The member %q is left out: its name cannot stand in a tag.", m.name)
			st.fields = append(st.fields, field{comment: comment})
			b.program.warn("%s", comment)
			continue
		}
		f := field{name: goNames.unique(goName(m.name, fmt.Sprintf("Member%d", i+1)), 100)}
		f.tags = []tag{{"json", m.name}}
		if row {
			f.tags = append(f.tags, tag{"db", dbNames.unique(snake(m.name, "member"), maxName)})
		}
		f.typ, f.comment = b.typeOf(&m.shape, m.shape.seen < s.objects, name+f.name)
		st.fields = append(st.fields, f)
	}
	return st
}

// typeOf is a value's type, and why.
func (b *jsonStructs) typeOf(s *shape, optional bool, name string) (typ, comment string) {
	switch {
	case s.kinds() == 0:
		return b.program.needs("json.RawMessage"), "always null"
	case s.kinds() > 1:
		return b.program.needs("json.RawMessage"), "values of several kinds"
	case s.arrays > 0:
		if s.elem == nil {
			return b.program.needs("json.RawMessage"), "always an empty array"
		}
		typ, comment = b.typeOf(s.elem, false, name)
		return "[]" + typ, comment
	case s.objects > 0 && (s.many || len(s.members) == 0):
		return b.program.needs("json.RawMessage"), "objects without members, or with too many names of members for a struct"
	case s.objects > 0:
		typ = b.types.unique(name, 100)
		at := len(b.program.nested)
		b.program.nested = append(b.program.nested, structType{})
		st := b.structOf(s, typ, false)
		b.program.nested[at] = st
	case s.numbers > 0 && s.numbers == s.ints:
		typ = "int64"
	case s.numbers > 0 && s.numbers == s.floats:
		typ = "float64"
	case s.numbers > 0:
		return b.program.needs("json.RawMessage"), "numbers that a float64 would round"
	case s.bools > 0:
		typ = "bool"
	case s.texts == s.times:
		typ = b.program.needs("time.Time")
	default:
		typ = "string"
	}
	if optional || s.nulls > 0 {
		typ = "*" + typ
	}
	return typ, comment
}

// jsonTag tells whether a json tag can name a member.
func jsonTag(name string) bool {
	return name != "" && name != "-" && !strings.ContainsAny(name, "\"'`,\\") && strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == '\uFFFD' || r == 0x7f }) < 0
}
