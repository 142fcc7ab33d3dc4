package pgcatalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
)

// ParseTable reads the name of a table as users give it: table or schema.table.
// Names stand as the catalog has them: letter case counts, and reserved words need
// no quotes. A part in double quotes may hold dots, and a quote that is doubled.
func ParseTable(name string) (pgx.Identifier, error) {
	if name == "" {
		return nil, errors.New("no table is named")
	}
	if strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("table %q: a name cannot hold a NUL", name)
	}
	var id pgx.Identifier
	for rest := name; ; {
		part, after, err := tablePart(rest)
		if err != nil {
			return nil, fmt.Errorf("table %q: %w", name, err)
		}
		id = append(id, part)
		if after == "" {
			break
		}
		rest = after[1:] // the dot
	}
	if len(id) > 2 {
		return nil, fmt.Errorf("table %q: want table or schema.table; a name that holds a dot needs double quotes", name)
	}
	return id, nil
}

// tablePart takes the first part off; after is empty or begins with a dot.
func tablePart(s string) (part, after string, err error) {
	if !strings.HasPrefix(s, `"`) {
		if i := strings.IndexByte(s, '.'); i >= 0 {
			part, after = s[:i], s[i:]
		} else {
			part = s
		}
		if part == "" {
			return "", "", errors.New("a part of the name is empty")
		}
		return part, after, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		after = s[i+1:]
		if after != "" && after[0] != '.' {
			return "", "", errors.New("something follows a closing quote")
		}
		if b.Len() == 0 {
			return "", "", errors.New("a part of the name is empty")
		}
		return b.String(), after, nil
	}
	return "", "", errors.New("a quote is not closed")
}

// ColumnList quotes the names of columns for a statement.
func ColumnList(columns []string) string {
	list := make([]byte, 0, 16*len(columns))
	for i, c := range columns {
		if i > 0 {
			list = append(list, ", "...)
		}
		list = append(list, pgx.Identifier{c}.Sanitize()...)
	}
	return string(list)
}

// NameError says that a name is longer than the server keeps: it would cut it in silence, and two long names could
// become one.
type NameError struct {
	Name string
	Most int // bytes
}

func (e *NameError) Error() string {
	return fmt.Sprintf("the name %q is longer than the %d bytes that the server keeps of a name: choose a shorter one", e.Name, e.Most)
}

// CheckNames asks the server whether it keeps these names as they are. One that is too long is a [*NameError].
func CheckNames(ctx context.Context, conn *pgx.Conn, names ...string) error {
	var b pgx.Batch
	var long []string
	var most int
	queueLong(&b, names, &long, &most)
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return err
	}
	if len(long) > 0 {
		return pipeline.Permanent(&NameError{Name: long[0], Most: most})
	}
	return nil
}

// queueLong has a batch find the names that are too long, as the server measures them: in bytes of its own encoding.
func queueLong(b *pgx.Batch, names []string, long *[]string, most *int) {
	b.Queue(`
select coalesce(array_agg(name) filter (where octet_length(convert_to(name, getdatabaseencoding())) > most), '{}'), max(most)
  from unnest($1::text[]) as name, (select current_setting('max_identifier_length')::int as most) as m`, names).QueryRow(func(row pgx.Row) error {
		return row.Scan(long, most)
	})
}
