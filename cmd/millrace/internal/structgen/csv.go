package structgen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

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

	refer *references // of the header

	null         string
	decimalComma bool
	layout       string
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
	scan, err := csvcodec.NewScanner(c, csvcodec.ScanOptions{Comma: f.comma})
	if err != nil {
		return nil, err
	}
	if err := f.readFirst(scan); err != nil {
		return nil, err
	}
	lengths := map[int]int{}
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
		lengths[rec.Len()]++
		if rec.Len() != len(f.columns) {
			f.refuse(fmt.Errorf("line %d: %s, but the first record has %d", rec.Line(), count(rec.Len(), "field"), len(f.columns)))
			continue
		}
		f.add(rec)
	}
	for n, times := range lengths {
		if n != len(f.columns) && times > 2*f.records {
			return nil, fmt.Errorf("the first line has %s, and %s have %d: remove the lines before the header",
				count(len(f.columns), "field"), count(times, "record"), n)
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
	f.null = f.nullToken()
	points, commas := 0, 0
	layouts := map[string]int{}
	f.refer = newReferences(f)
	for _, col := range f.columns {
		if _, ok := f.refer.tag(col.name); !f.holds(col) || !ok && !f.noHeader {
			continue
		}
		switch col.kind() {
		case isFloat:
			points++
		case isComma:
			commas++
		case isTime:
			if !col.doubtful() {
				layouts[timeForms[col.forms[0]].layout]++
			}
		}
	}
	f.decimalComma = commas > points
	for _, form := range timeForms { // in order, so that the same file gives the same program
		if layouts[form.layout] > layouts[f.layout] {
			f.layout = form.layout
		}
	}
}

// nullToken is the one text that stands for null in all columns that are not text.
func (f *csvFile) nullToken() string {
	var found []string
	for _, col := range f.columns {
		if col.kind() == isText || col.kind() == isNothing {
			continue
		}
		for token := range col.tokens {
			if !slices.Contains(found, token) {
				found = append(found, token)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	for _, col := range f.columns {
		// One setting serves the file: with a token, nothing at all is no null any more.
		if k := col.kind(); k != isText && k != isNothing && col.empty > 0 {
			return ""
		}
	}
	return found[0]
}

// holds tells whether no text but the null token stands between a column's values.
func (f *csvFile) holds(col *column) bool {
	for token := range col.tokens {
		if token != f.null {
			return false
		}
	}
	return true
}

// goType is a column's type, and why.
func (f *csvFile) goType(col *column) (typ, comment string) {
	k := col.kind()
	if k != isText && k != isNothing && !f.holds(col) {
		for token := range col.tokens {
			comment = fmt.Sprintf("%s, but for %q", k, token)
		}
		k = isText
		if len(col.tokens) > 1 || col.empty > 0 {
			comment = "values and several texts that mean null"
		}
	}
	null := col.tokens[f.null] > 0 || f.null == "" && col.empty > 0 || k != isText && k != isNothing && col.empty > 0
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
		typ, comment = f.timeType(col)
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
	return typ, comment
}

func (f *csvFile) timeType(col *column) (typ, comment string) {
	if col.doubtful() {
		var layouts []string
		for _, i := range col.forms[:min(len(col.forms), 4)] {
			layouts = append(layouts, timeForms[i].layout)
		}
		return "string", "times in which day and month may be either way round: " + strings.Join(layouts, " or ")
	}
	for _, i := range col.forms {
		if timeForms[i].layout == f.layout {
			return "time.Time", ""
		}
	}
	return "string", fmt.Sprintf("times of the form %s, of which a file has one", cmp.Or(timeForms[col.forms[0]].layout, "2006-01-02 or RFC 3339"))
}

func (s *source) csvProgram(f *csvFile) *Program {
	p := &Program{what: baseOf(s.input.Path), table: tableName(s.input.Path), row: structType{name: "Row"}}
	literal := s.place(p)
	if f.comma != ',' {
		literal = append(literal, "Comma: "+strconv.QuoteRune(rune(f.comma)))
	}
	if f.noHeader {
		literal = append(literal, "NoHeader: true")
	}
	if f.null != "" {
		literal = append(literal, "Null: "+strconv.Quote(f.null))
	}
	if f.layout != "" {
		literal = append(literal, "Layout: "+strconv.Quote(f.layout))
	}
	if f.decimalComma {
		literal = append(literal, "DecimalComma: true")
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
		if f.noHeader {
			label = fmt.Sprintf("column %d", i+1)
		}
		reference, ok := f.refer.tag(col.name)
		if f.noHeader {
			reference, ok = fmt.Sprintf("column_%d", i+1), true
		}
		if !ok {
			comment := fmt.Sprintf("Column %d, %q, is left out: its name is there twice, or cannot stand in a tag.", i+1, col.name)
			fields = append(fields, field{comment: comment})
			p.warn("%s", comment)
			continue
		}
		typ, comment := f.goType(col)
		fallback := fmt.Sprintf("Column%d", i+1)
		fields = append(fields, field{
			name: goNames.unique(goName(label, fallback), 100), typ: p.needs(typ), comment: comment,
			tags: []tag{{"csv", reference}, {"db", dbNames.unique(snake(label, "column"), maxName)}},
		})
	}
	return fields
}

// references are the names by which csv tags call columns.
type references struct{ seen map[string]int }

func newReferences(f *csvFile) *references {
	r := &references{seen: map[string]int{}}
	for _, col := range f.columns {
		r.seen[trimmed(col.name)]++
	}
	return r
}

// trimmed is what a header's name is to a tag.
func trimmed(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '\u200B' || r == '\u200C' || r == '\u200D' || r == '\uFEFF' {
			return -1
		}
		return r
	}, name)
	return strings.TrimSpace(name)
}

// tag returns what calls a column of that name, false if nothing does.
func (r *references) tag(name string) (string, bool) {
	name = trimmed(name)
	if name == "" || name == "-" || r.seen[name] > 1 {
		return "", false
	}
	for i, part := range strings.Split(name, ",") {
		part = strings.TrimSpace(part)
		word := strings.ToLower(part)
		switch {
		case i == 0 && (part == "omitempty" || strings.HasPrefix(part, "default=")):
			return "", false
		case i == 0 && part == "":
			return "", false
		case i > 0 && (word == "" || word == "-" || word == "inline" || word == "squash" ||
			strings.HasPrefix(word, "omit") || strings.HasPrefix(word, "default") || strings.HasPrefix(word, "partial")):
			return "", false
		case strings.Contains(name, ",") && r.seen[part] > 0: // a tag with commas answers to its parts too
			return "", false
		}
	}
	return name, true
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
