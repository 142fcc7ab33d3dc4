package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// dataRow is a row of test_table, as the first version of this system answered it.
type dataRow struct {
	ID   int64   `json:"id"`
	Name *string `json:"name" nullable:"true"`
}

// dataMost bounds the answer, which is held in memory.
const dataMost = 100_000

type dataOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Body        []byte
}

func (a *API) registerData() {
	op := huma.Operation{
		OperationID: "list-data", Method: http.MethodGet, Path: "/api/data",
		Summary: "The rows of test_table", Tags: []string{"data"},
		Responses: map[string]*huma.Response{"200": {
			Description: "All rows, by id",
			Content: map[string]*huma.MediaType{"application/json": {
				Schema: &huma.Schema{Type: huma.TypeArray, Items: schemaOf[dataRow](a.huma.OpenAPI().Components.Schemas)},
			}},
		}},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}
	register(a, op, func(ctx context.Context, _ *struct{}) (*dataOutput, error) {
		body, err := a.data.get(ctx)
		if err != nil {
			return nil, err
		}
		return &dataOutput{ContentType: "application/json", Body: body}, nil
	})
}

// readData reads test_table and writes it as JSON, without a value in between for each row.
func (a *API) readData(ctx context.Context) ([]byte, error) {
	rows, err := a.config.Reads.Query(ctx, "SELECT id::bigint, name::text FROM test_table ORDER BY id LIMIT $1", dataMost+1)
	if err != nil {
		return nil, noTable("test_table", err)
	}
	var id int64
	var name pgtype.Text
	count, body := 0, []byte{'['}
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		if count++; count > 1 {
			body = append(body, ',')
		}
		body = strconv.AppendInt(append(body, `{"id":`...), id, 10)
		body = append(body, `,"name":`...)
		if name.Valid {
			body = appendJSON(body, name.String)
		} else {
			body = append(body, "null"...)
		}
		body = append(body, '}')
		return nil
	})
	switch {
	case err != nil:
		return nil, noTable("test_table", err)
	case count > dataMost:
		return nil, problem(http.StatusInternalServerError, fmt.Sprintf("test_table has more than %d rows, which is more than one answer can hold", dataMost))
	}
	return append(body, ']', '\n'), nil
}

// appendJSON appends a JSON string.
func appendJSON(body []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always has a form
			return append(body, quoted...)
		}
	}
	body = append(body, '"')
	body = append(body, s...)
	return append(body, '"')
}

// noTable turns the error of a table that is not there into an answer for those who set the server up.
func noTable(table string, err error) error {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42P01" {
		return problem(http.StatusNotFound, "the database has no table "+table+"; a server with MILLRACE_DEMO=1 makes it")
	}
	return fmt.Errorf("reading %s: %w", table, err)
}
