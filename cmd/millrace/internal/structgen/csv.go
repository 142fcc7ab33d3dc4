package structgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/dialect"
	"github.com/millrace/millrace/internal/csvcodec"
)

// csvFile is what is known of a CSV file.
type csvFile struct {
	comma    byte
	first    []string // the fields of the first record
	quoted   []bool   // which of them stood in quotes
	columns  []*column
	noHeader bool
	records  int // below the first

	utf8     utf8Count
	bad      int // records that cannot be read
	firstBad error

	seen map[string]int // how often a name is in the header

	null         []string
	decimalComma bool
}

func (s *source) csv(ctx context.Context) (*Program, error) {
	for {
		f, err := s.readCSV(ctx)
		if err != nil {
			return nil, s.at(err)
		}
		if s.guess(f.utf8) {
			continue
		}
		f.decide()
		return s.csvProgram(f), nil
	}
}

// readCSV reads the file once.
func (s *source) readCSV(ctx context.Context) (*csvFile, error) {
	sample, err := s.sample(ctx, false)
	if err != nil {
		return nil, err
	}
	f := &csvFile{comma: delimiter(sample)}
	c, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	scan, err := csvcodec.NewScanner(c, csvcodec.ScanOptions{Comma: f.comma, Dialect: dialect.CSV{SkipLines: s.skip}})
	if err != nil {
		return nil, err
	}
	if err := f.readFirst(scan); err != nil {
		return nil, err
	}
	lengths, begins := map[int]int{}, map[int]int{} // by the number of fields: records, and the line of the first
	for s.Rows <= 0 || f.records+f.bad < s.Rows {
		rec, err := scan.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if wrong, ok := errors.AsType[*csvcodec.Error](err); ok {
			f.refuse(wrong)
			continue
		}
		if err != nil {
			return nil, err
		}
		f.utf8.add(rec.Raw())
		if lengths[rec.Len()]++; lengths[rec.Len()] == 1 {
			begins[rec.Len()] = rec.Line()
		}
		if rec.Len() != len(f.columns) {
			f.refuse(fmt.Errorf("line %d: %s, but the first record has %d", rec.Line(), count(rec.Len(), "field"), len(f.columns)))
			continue
		}
		f.add(rec)
	}
	for n, times := range lengths {
		if n != len(f.columns) && times > 2*f.records {
			if s.skip > 0 {
				return nil, fmt.Errorf("line %d has %s, and %s have %d: which is the header?",
					s.skip+1, count(len(f.columns), "field"), count(times, "record"), n)
			}
			s.skip = begins[n] - 1
			return s.readCSV(ctx)
		}
	}
	f.noHeader = s.Header == "no" || s.Header != "yes" && f.firstIsData()
	if f.noHeader {
		for i, col := range f.columns {
			col.add(f.first[i], f.quoted[i])
			col.name = ""
		}
		f.records++
	}
	return f, nil
}

func (f *csvFile) readFirst(scan *csvcodec.Scanner) error {
	if err := scan.Identify(); err != nil {
		return err
	}
	rec, err := scan.Next()
	if errors.Is(err, io.EOF) {
		return errors.New("the file holds blank lines only: there is nothing to make a struct of")
	}
	if err != nil {
		return err
	}
	f.utf8.add(rec.Raw())
	for i := range rec.Len() {
		text := string(rec.Field(i))
		if !rec.Quoted(i) && strings.Contains(text, "\r") {
			return errors.New("the lines end in CR alone: convert them to LF, for instance with tr '\\r' '\\n'")
		}
		f.first, f.quoted = append(f.first, text), append(f.quoted, rec.Quoted(i))
		f.columns = append(f.columns, &column{name: text})
	}
	scan.KeepBlank(len(f.columns) == 1)
	return nil
}

func (f *csvFile) add(rec *csvcodec.Record) {
	for i := range f.columns {
		field := rec.Field(i)
		if at := bytes.IndexByte(field, 0); at >= 0 {
			f.refuse(fmt.Errorf("line %d: column %d holds a NUL byte", rec.Line(), i+1))
			return
		}
	}
	f.records++
	for i, col := range f.columns {
		col.add(string(rec.Field(i)), rec.Quoted(i))
	}
}

func (f *csvFile) refuse(err error) {
	if f.bad++; f.bad == 1 {
		f.firstBad = err
	}
}

// delimiters are tried from the most usual to the least.
var delimiters = []byte{',', ';', '\t', '|'}

// delimiter is the one that divides the most records of a sample into the same number of fields, above one.
func delimiter(sample []byte) byte {
	best, most, widest := delimiters[0], 0, 0
	for _, comma := range delimiters {
		scan, err := csvcodec.NewScanner(bytes.NewReader(sample), csvcodec.ScanOptions{Comma: comma})
		if err != nil {
			continue
		}
		lengths := map[int]int{}
		all := 0
		for ; all < 1000; all++ {
			rec, err := scan.Next()
			if _, bad := errors.AsType[*csvcodec.Error](err); bad {
				continue
			}
			if err != nil {
				break
			}
			lengths[rec.Len()]++
		}
		for n, times := range lengths {
			score := times * 1000 / max(all, 1)
			if n > 1 && (score > most || score == most && n > widest) {
				best, most, widest = comma, score, n
			}
		}
	}
	return best
}

// firstIsData tells whether the first record is like those below it: a value in a column of numbers is, a word is not.
func (f *csvFile) firstIsData() bool {
	data := false
	for i, col := range f.columns {
		value := f.first[i]
		switch k := col.kind(); {
		case k == isNothing && f.records == 0:
			alone := column{}
			alone.add(value, f.quoted[i])
			data = data || alone.kind() != isText && alone.kind() != isNothing
		case k == isText || k == isNothing || value == "" || nullTokens[value]:
		case col.fits(value, f.quoted[i]):
			data = true
		default:
			return false
		}
	}
	return data
}

// decide chooses the settings that hold for the whole file.
func (f *csvFile) decide() {
	f.null = f.nullTokens()
	points, commas := 0, 0
	f.seen = map[string]int{}
	for _, col := range f.columns {
		f.seen[trimmed(col.name)]++
		switch col.kind() {
		case isFloat:
			points++
		case isComma:
			commas++
		}
	}
	f.decimalComma = commas > points
}

// nullTokens are the texts that stand for null in columns that are not text, and nothing at all where that occurs.
func (f *csvFile) nullTokens() []string {
	var found []string
	empty := false
	for _, col := range f.columns {
		empty = empty || col.empty > 0
		if col.kind() == isText || col.kind() == isNothing {
			continue
		}
		for token := range col.tokens {
			if !slices.Contains(found, token) {
				found = append(found, token)
			}
		}
	}
	slices.Sort(found)
	if empty && len(found) > 0 {
		found = append([]string{""}, found...)
	}
	return found
}

// goType is a column's type, the layout of its times, and what is to be said of it.
func (f *csvFile) goType(col *column) (typ, layout, comment string) {
	k := col.kind()
	null := col.empty > 0
	for _, token := range f.null {
		null = null || col.tokens[token] > 0
	}
	switch k {
	case isInt:
		typ = "int64"
	case isFloat, isComma:
		typ = "float64"
		if (k == isComma) != f.decimalComma {
			typ, comment = "string", "numbers with another decimal mark than the other columns'"
		}
	case isBool:
		typ = "bool"
	case isTime:
		typ, layout, comment = timeType(col)
	case isNothing:
		typ = "string"
		if f.records > 0 {
			comment = "always empty"
		}
	default:
		typ = "string"
		if col.scaled != "" && comment == "" {
			comment = fmt.Sprintf("numbers; a float64 would not keep %s as it stands", col.scaled)
		}
	}
	if null {
		typ = "*" + typ
	}
	return typ, layout, comment
}

func timeType(col *column) (typ, layout, comment string) {
	if col.doubtful() {
		var layouts []string
		for _, i := range col.forms[:min(len(col.forms), 4)] {
			layouts = append(layouts, timeForms[i].layout)
		}
		return "string", "", "times in which day and month may be either way round: " + strings.Join(layouts, " or ")
	}
	return "time.Time", timeForms[col.forms[0]].layout, ""
}

func (s *source) csvProgram(f *csvFile) *Program {
	p := &Program{what: baseOf(s.input.Path), table: tableName(s.input.Path), row: structType{name: "Row"}}
	literal := s.place(p)
	var settings []string
	if f.comma != ',' {
		settings = append(settings, "Delimiter: "+strconv.Quote(string(rune(f.comma))))
	}
	if s.skip > 0 {
		settings = append(settings, fmt.Sprintf("SkipLines: %d", s.skip))
	}
	if len(f.null) > 0 {
		settings = append(settings, fmt.Sprintf("Null: %#v", f.null))
	}
	if f.decimalComma {
		settings = append(settings, "Decimal: ','")
	}
	if len(settings) > 0 {
		literal = append(literal, "Dialect: "+p.needs("dialect.CSV")+"{"+strings.Join(settings, ", ")+"}")
	}
	if f.noHeader {
		literal = append(literal, "NoHeader: true")
	}
	p.source = "sources.CSV[Row]{" + strings.Join(literal, ", ") + "}"
	if f.records == 0 && f.bad == 0 {
		p.warn("The file holds no records: all columns are taken for text.")
	}
	if f.bad > 0 {
		p.warn("%s cannot be read, the first: %v. They fail the run unless pipeline.Options.MaxRejects allows them.", count(f.bad, "record"), f.firstBad)
	}
	p.row.fields = f.fields(p)
	return p
}

// fields makes a field of each column.
func (f *csvFile) fields(p *Program) []field {
	var goNames, dbNames names
	var fields []field
	for i, col := range f.columns {
		label := col.name
		called := f.tag(i)
		if f.noHeader {
			label = fmt.Sprintf("column %d", i+1)
			called = tag{"csv", fmt.Sprintf("column_%d", i+1)}
		}
		typ, layout, comment := f.goType(col)
		fallback := fmt.Sprintf("Column%d", i+1)
		made := field{name: goNames.unique(goName(label, fallback), 100), typ: p.needs(typ), comment: comment, tags: []tag{called}}
		if layout != "" {
			made.tags = append(made.tags, tag{"csv.layout", layout})
		}
		made.tags = append(made.tags, tag{"db", dbNames.unique(snake(label, "column"), maxName)})
		fields = append(fields, made)
	}
	return fields
}

// trimmed is what a header's name is to a csv tag.
func trimmed(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '\u200B' || r == '\u200C' || r == '\u200D' || r == '\uFEFF' {
			return -1
		}
		return r
	}, name)
	return strings.TrimSpace(name)
}

// tag calls column i: by its name, as it stands where gocsv's tag has a meaning for it; by its position, if another column has
// the name or there is none.
func (f *csvFile) tag(i int) tag {
	name := trimmed(f.columns[i].name)
	switch {
	case name == "" || f.seen[name] > 1:
		return tag{"csv.column", strconv.Itoa(i + 1)}
	case name == "-" || name == "*" || name == "omitempty" || strings.HasPrefix(name, "default=") || strings.Contains(name, ","):
		return tag{"csv.name", f.columns[i].name}
	}
	return tag{"csv", name}
}

func baseOf(p string) string {
	p, _, _ = strings.Cut(p, "?")
	return p[strings.LastIndexAny(p, `/\`)+1:]
}

// count writes a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
