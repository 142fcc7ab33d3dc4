package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/internal/pgcodec"
	"github.com/millrace/millrace/pipeline"
)

// pgDescription is what the server said of the statement that reads a source.
type pgDescription struct {
	sql     string // the statement
	wrapped bool   // it is built around the user's query

	relation *pgRelation      // nil for a query
	present  []pgcodec.Column // all columns of the table, or of the query's result
	columns  []pgcodec.Column // those that the statement returns
	cursor   *pgcodec.Column  // of the Cursor, nil without one
	modifier int32            // of the cursor's type: its precision, or -1
	empty    bool             // the range holds nothing

	params        [][]byte
	paramFormats  []int16
	resultFormats []int16
}

// describe looks the table up, builds the statement that reads the part and the range,
// and says what it returns. Nothing is run.
func (r *pgSource) describe(ctx context.Context, conn *pgx.Conn, span pipeline.Range, part pgPart) (*pgDescription, error) {
	d := &pgDescription{}
	var err error
	if r.table != "" {
		if d.relation, err = r.findRelation(ctx, conn); err != nil {
			return nil, err
		}
	}
	var described *pgconn.StatementDescription
	if d.relation != nil {
		described, err = conn.PgConn().Prepare(ctx, "", "SELECT * FROM "+r.from(d.relation), nil)
	} else {
		described, err = conn.PgConn().Prepare(ctx, "", r.query, nil)
	}
	if err != nil {
		return nil, err
	}
	if len(described.Fields) == 0 {
		return nil, pipeline.Permanent(fmt.Errorf("%s returns no columns: nothing could be read from it", r.kind()))
	}
	if d.present, err = pgcatalog.ResultColumns(ctx, conn, described.Fields); err != nil {
		return nil, err
	}
	if r.cursor != "" {
		i := slices.IndexFunc(d.present, func(c pgcodec.Column) bool { return c.Name == r.cursor })
		if i < 0 {
			return nil, pipeline.Permanent(r.noCursorColumn(d.present))
		}
		cursor := d.present[i]
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.format_type($1::text::oid, NULL)", pgcatalog.Unnamed, pgcatalog.OIDText(cursor.OID)).Scan(&cursor.TypeName); err != nil {
			return nil, err
		}
		d.cursor, d.modifier = &cursor, described.Fields[i].TypeModifier
	}
	if d.relation != nil {
		d.columns = r.wanted(d.present)
	} else {
		d.columns = d.present
		if err := r.encodeArgs(conn, described, d); err != nil {
			return nil, err
		}
	}
	pgcodec.ReadAsText(r.record, d.columns, conn.TypeMap())
	for _, c := range d.columns {
		format := int16(pgx.BinaryFormatCode)
		if c.Text {
			format = pgx.TextFormatCode
		}
		d.resultFormats = append(d.resultFormats, format)
	}
	where, err := r.where(d, span, part)
	if err != nil || d.empty {
		return d, err
	}
	switch {
	case d.relation != nil:
		d.sql = "SELECT " + columnList(d.columns) + " FROM " + r.from(d.relation) + where
	case where != "":
		d.sql, d.wrapped = "SELECT * FROM "+r.from(nil)+where, true
	default:
		d.sql = r.query
	}
	return d, nil
}

// prepareOver prepares a statement that is built over the table or the query.
func (r *pgSource) prepareOver(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Prepare(ctx, "", sql, nil)
	return r.subqueryProblem(err)
}

// subqueryProblem explains an error of a statement that is built over the table or the query.
func (r *pgSource) subqueryProblem(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		refused.Position = 0 // in another text than the user's
		if r.query != "" && refused.Code == syntaxError {
			return pipeline.Permanent(r.at(fmt.Errorf("with a Cursor it is read as a subquery, and it cannot be one: %w", &pgcatalog.ServerError{Err: refused})))
		}
	}
	return err
}

func (r *pgSource) kind() string {
	if r.table != "" {
		return "the table"
	}
	return "the query"
}

// where builds the conditions of a range and of a part. Their values are parameters,
// in the text format, so that the server reads them as the column's type.
func (r *pgSource) where(d *pgDescription, span pipeline.Range, part pgPart) (string, error) {
	var conditions []string
	add := func(left, operator, cast, value string) {
		d.params = append(d.params, []byte(value))
		d.paramFormats = append(d.paramFormats, pgx.TextFormatCode)
		conditions = append(conditions, fmt.Sprintf("%s %s $%d%s", left, operator, len(d.params), cast))
	}
	if d.cursor != nil && span.To != nil {
		column := pgx.Identifier{d.cursor.Name}.Sanitize()
		from, err := r.cursorValue(span.From, d.cursor)
		if err != nil {
			return "", err
		}
		to, err := r.cursorValue(span.To, d.cursor)
		if err != nil {
			return "", err
		}
		if to == nil {
			d.empty = true
			return "", nil
		}
		if from != nil {
			add(column, ">", "", *from)
		}
		add(column, "<=", "", *to)
	}
	if part.first != "" {
		add("ctid", ">=", "::tid", part.first)
	}
	if part.limit != "" {
		add("ctid", "<", "::tid", part.limit)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), nil
}

// encodeArgs gives the query's parameters their wire format.
func (r *pgSource) encodeArgs(conn *pgx.Conn, described *pgconn.StatementDescription, d *pgDescription) error {
	if want, have := len(described.ParamOIDs), len(r.args); want != have {
		return pipeline.Permanent(fmt.Errorf("the query has %d parameters, and Args holds %d values", want, have))
	}
	var builder pgx.ExtendedQueryBuilder
	if err := builder.Build(conn.TypeMap(), described, r.args); err != nil {
		return pipeline.Permanent(err)
	}
	d.params, d.paramFormats = builder.ParamValues, builder.ParamFormats
	return nil
}

// wanted leaves out the columns of a table that no field is for.
func (r *pgSource) wanted(present []pgcodec.Column) []pgcodec.Column {
	fields, err := pgcodec.Fields(r.record)
	if err != nil {
		return present // settings has said so
	}
	want := make([]bool, len(present))
	for _, f := range fields {
		exact := slices.IndexFunc(present, func(c pgcodec.Column) bool { return c.Name == f.Name })
		if exact >= 0 {
			want[exact] = true
			continue
		}
		for i, c := range present {
			if strings.EqualFold(c.Name, f.Name) || !f.Tagged && strings.EqualFold(bare(c.Name), bare(f.Name)) {
				want[i] = true
			}
		}
	}
	var columns []pgcodec.Column
	for i, c := range present {
		if want[i] {
			columns = append(columns, c)
		}
	}
	return columns
}

func bare(name string) string { return strings.ReplaceAll(name, "_", "") }

func columnList(columns []pgcodec.Column) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	return strings.Join(names, ", ")
}

// trimQuery lets a query stand in parentheses: without the semicolon that it may
// end with.
func trimQuery(query string) string { return strings.TrimRight(query, "; \t\r\n") }
