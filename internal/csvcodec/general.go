package csvcodec

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unsafe"

	"github.com/gocarina/gocsv"
)

// general is the general path: gocsv itself decodes the columns whose types
// are outside the compiled set. Nothing is known of those types here.
type general struct {
	typ     reflect.Type
	names   []string // the header that gocsv is given
	columns []generalColumn
	opts    DecodeOptions
	// whole: the struct takes every column by its own UnmarshalCSVWithFields.
	whole bool

	row  []string
	feed rowFeed
	um   *gocsv.Unmarshaller
}

type generalColumn struct {
	index    int // in the record
	name     string
	fallback string
}

func newGeneral(t reflect.Type, header []string, columns []generalColumn, o DecodeOptions) (g *general, err error) {
	g = &general{typ: t, columns: columns, opts: o, row: make([]string, len(columns))}
	for _, c := range columns {
		g.names = append(g.names, header[c.index])
	}
	defer recoverTo(&err)
	g.feed.put(g.names)
	g.um, err = gocsv.NewUnmarshaller(csv.NewReader(&g.feed), reflect.Zero(t).Interface())
	return g, err
}

// decode sets the general columns of the struct at base.
func (g *general) decode(rec *Record, base unsafe.Pointer) *Error {
	// base is a variable of type typ, which the caller holds.
	dst := reflect.NewAt(g.typ, base)
	if g.whole {
		return g.decodeWhole(rec, dst.Interface().(gocsv.TypeUnmarshalCSVWithFields))
	}
	lineEnds := false
	for i, c := range g.columns {
		data, lo, hi := rec.locate(rec.spans[c.index])
		value := data[lo:hi]
		if !g.opts.AllowInvalidText {
			if f := checkText(data, lo, hi); f != nil {
				return rec.fail(c.index, c.name, f.reason, f.cause)
			}
		}
		switch {
		case len(value) == 0:
			g.row[i] = c.fallback
		case string(value) == g.opts.Null && !rec.Quoted(c.index):
			g.row[i] = ""
		default:
			g.row[i] = string(value)
		}
		lineEnds = lineEnds || bytes.Contains(value, []byte("\r\n"))
	}
	if lineEnds {
		// encoding/csv would turn them into line feeds.
		return g.decodeRow(rec, dst)
	}
	g.feed.put(g.row)
	v, err := g.read()
	if err != nil {
		if e := g.decodeRow(rec, dst); e != nil {
			return e
		}
		return rec.fail(-1, "", err.Error(), err)
	}
	dst.Elem().Set(reflect.ValueOf(v))
	return nil
}

func (g *general) read() (v any, err error) {
	defer recoverTo(&err)
	return g.um.Read()
}

// decodeRow decodes the row by gocsv's other entrance, which takes fields as
// they are and says which one it could not convert, but plans anew each time.
func (g *general) decodeRow(rec *Record, dst reflect.Value) *Error {
	rows := reflect.New(reflect.SliceOf(g.typ))
	err := func() (err error) {
		defer recoverTo(&err)
		return gocsv.UnmarshalCSV(oneRow{g.names, g.row}, rows.Interface())
	}()
	var at *csv.ParseError
	switch {
	case err == nil:
		dst.Elem().Set(rows.Elem().Index(0))
		return nil
	case errors.As(err, &at) && at.Column > 0 && at.Column <= len(g.columns):
		c := g.columns[at.Column-1]
		f := ownFault(c.name, []byte(g.row[at.Column-1]), at.Err)
		return rec.fail(c.index, c.name, f.reason, f.cause)
	}
	return rec.fail(-1, "", err.Error(), err)
}

func (g *general) decodeWhole(rec *Record, v gocsv.TypeUnmarshalCSVWithFields) *Error {
	for i, name := range g.names {
		if err := v.UnmarshalCSVWithFields(name, string(rec.Field(i))); err != nil {
			f := ownFault(name, rec.Field(i), err)
			return rec.fail(i, name, f.reason, f.cause)
		}
	}
	return nil
}

// recoverTo turns a panic of gocsv, which some types and values cause, into an error.
func recoverTo(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("gocsv panicked: %v", v)
	}
}

// rowFeed gives a csv.Reader the rows that are put into it, one at a time.
// The reader asks for no more than the row it is on, because a row ends in a
// line feed; an error says that it did.
type rowFeed struct {
	buf []byte
	at  int
}

// put quotes every field, so that no value, an empty one alone included, is taken for another.
func (f *rowFeed) put(row []string) {
	f.buf, f.at = f.buf[:0], 0
	for i, field := range row {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		f.buf = appendQuoted(f.buf, field)
	}
	f.buf = append(f.buf, '\n')
}

func (f *rowFeed) Read(p []byte) (int, error) {
	if f.at == len(f.buf) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, f.buf[f.at:])
	f.at += n
	return n, nil
}

// oneRow is a header and a row as gocsv.CSVReader.
type oneRow [2][]string

func (r oneRow) ReadAll() ([][]string, error) { return r[:], nil }
func (r oneRow) Read() ([]string, error)      { return nil, io.EOF }
