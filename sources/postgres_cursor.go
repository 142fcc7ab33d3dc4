package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// pgCursor is what is kept of an incremental source between its runs: a value in the
// server's own text form, which is exact for every type (microseconds, any int8, any
// numeric), with what it is a value of.
type pgCursor struct {
	Column string `json:"column"`
	Type   string `json:"type"` // as SQL writes it
	// Value is nil while there was never a row.
	Value *string `json:"value"`
}

// Incremental tells whether Cursor is set.
func (s Postgres[T]) Incremental() bool { return s.Cursor != "" }

// span is the range that the run reads.
func (r *pgSource) span(ctx context.Context) (pipeline.Range, error) {
	if r.cursor == "" {
		return pipeline.Range{}, nil
	}
	span, ok := pipeline.RangeFrom(ctx)
	if !ok || span.To == nil {
		return span, pipeline.Permanent(r.at(errors.New("no range to read for the Cursor: an incremental source works as a stage of a pipeline with Options.State, not inside of another stage")))
	}
	return span, nil
}

// cursorValue reads one end of a range, nil if it is open, and holds it against the
// column.
func (r *pgSource) cursorValue(stored json.RawMessage, column *pgcodec.Column) (*string, error) {
	if stored == nil {
		return nil, nil
	}
	var c pgCursor
	err := json.Unmarshal(stored, &c)
	switch {
	case err != nil || c.Column == "" || c.Type == "":
		return nil, pipeline.Permanent(fmt.Errorf("the stored cursor %s is not one of a Postgres source; %s", shortJSON(stored), forget))
	case c.Column != column.Name:
		return nil, pipeline.Permanent(fmt.Errorf("the stored cursor is of column %q, and Cursor is %q now; %s", c.Column, column.Name, forget))
	case !sameOrder(c.Type, column.TypeName):
		return nil, pipeline.Permanent(fmt.Errorf("column %q, the cursor, is %s, and the stored cursor %s is %s; %s",
			column.Name, column.TypeName, showCursor(c.Value), c.Type, forget))
	}
	return c.Value, nil
}

// forget is what helps against a stored cursor that does not fit.
const forget = "delete the cursor from the State to read everything anew, or give the stage another name"

// sameOrder tells whether values of one type can be read as the other, and mean
// the same place: a column that was widened from integer to bigint keeps its cursor.
func sameOrder(stored, now string) bool {
	if stored == now {
		return true
	}
	family := map[string]string{
		"smallint": "integer", "integer": "integer", "bigint": "integer",
		"text": "text", "character varying": "text",
	}
	return family[stored] != "" && family[stored] == family[now]
}

func showCursor(value *string) string {
	if value == nil {
		return "(none)"
	}
	return strconv.Quote(*value)
}

func shortJSON(raw json.RawMessage) string { return cleantext.Short(string(raw), 100) }

// noCursorColumn says that the Cursor is not among the columns.
func (r *pgSource) noCursorColumn(present []pgcodec.Column) error {
	names := make([]string, len(present))
	quoted := make([]string, len(present))
	for i, c := range present {
		names[i], quoted[i] = c.Name, strconv.Quote(c.Name)
	}
	const most = 40
	list := strings.Join(quoted[:min(most, len(quoted))], ", ")
	if more := len(quoted) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	message := fmt.Sprintf("there is no column %q for the cursor; the columns are %s", r.cursor, list)
	if near := pgcodec.Nearest(r.cursor, names); near != "" {
		message += fmt.Sprintf("; the nearest is %q", near)
	}
	return errors.New(message)
}
