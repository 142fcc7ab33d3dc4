package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

type rejectsInput struct {
	IDInput
	After  int64  `query:"after" minimum:"0" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Format string `query:"format" enum:"json,csv" doc:"csv: all that are kept, as a file; Accept: text/csv does the same"`
	Accept string `header:"Accept" hidden:"true"`
}

// rejectPage is a runs.RejectPage whose rejects have their lines as text.
type rejectPage struct {
	Total   int64            `json:"total" doc:"how many there were"`
	Kept    int64            `json:"kept" doc:"how many the history keeps"`
	Reasons map[string]int64 `json:"reasons" doc:"how often each reason was given"`
	Items   []reject         `json:"items"`
	Next    int64            `json:"next,omitempty" doc:"after of the next page; absent at the end"`
}

// reject is a record that was set aside.
type reject struct {
	Stage  string `json:"stage"`
	Source string `json:"source" doc:"a file's name, or a table"`
	Line   int64  `json:"line" doc:"from 1; 0 if it is not known"`
	Offset int64  `json:"offset" doc:"in bytes, from the file's start"`
	Raw    string `json:"raw" doc:"the original line; U+FFFD stands for NUL and what is not UTF-8"`
	Column string `json:"column"`
	Value  string `json:"value"`
	Reason string `json:"reason"`

	Record json.RawMessage `json:"record,omitempty" doc:"what the stage had before it; absent where the source could not read one"`
}

func newReject(r pipeline.Reject) reject {
	return reject{
		Stage: r.Stage, Source: r.Source, Line: r.Line, Offset: r.Offset,
		Raw:    cleantext.Clean(string(r.Raw)),
		Column: r.Column, Value: r.Value, Reason: r.Reason, Record: r.Record,
	}
}

type rejectsOutput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	Disposition string `header:"Content-Disposition" hidden:"true"`
	Body        []byte
}

func (a *API) registerRejects() {
	op := huma.Operation{
		OperationID: "list-rejects", Method: http.MethodGet, Path: "/api/runs/{id}/rejects",
		Summary: "Records that a run set aside, of its newest attempt that had any", Tags: []string{"runs"},
		Responses: map[string]*huma.Response{"200": {
			Description: "A page of them, or all that are kept as CSV",
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: schemaOf[rejectPage](a.huma.OpenAPI().Components.Schemas)},
				"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
			},
		}},
		Errors: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}
	register(a, op, a.rejects)
}

func (a *API) rejects(ctx context.Context, in *rejectsInput) (*rejectsOutput, error) {
	s, err := a.runs()
	if err != nil {
		return nil, err
	}
	if in.Format == "csv" || in.Format == "" && strings.HasPrefix(in.Accept, "text/csv") {
		return rejectsCSV(ctx, s, in.ID)
	}
	page, err := s.Rejects(ctx, in.ID, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	answer := rejectPage{Total: page.Total, Kept: page.Kept, Reasons: page.Reasons, Next: page.Next, Items: []reject{}}
	if answer.Reasons == nil {
		answer.Reasons = map[string]int64{}
	}
	for _, r := range page.Items {
		answer.Items = append(answer.Items, newReject(r))
	}
	body, err := json.Marshal(answer)
	return &rejectsOutput{ContentType: "application/json", Body: body}, err
}

// rejectsCSV writes all rejects that are kept, which are few enough to be held. Their values are as they were: a
// spreadsheet may take one that begins with = for a formula, but a file that was changed could not be mended and loaded again.
func rejectsCSV(ctx context.Context, s *runs.Service, id string) (*rejectsOutput, error) {
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	_ = w.Write([]string{"stage", "source", "line", "offset", "column", "value", "reason", "raw", "record"}) // to memory
	for after := int64(0); ; {
		page, err := s.Rejects(ctx, id, after, runs.MaxKeptRejects)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Items {
			v := newReject(r)
			_ = w.Write([]string{v.Stage, v.Source, strconv.FormatInt(v.Line, 10), strconv.FormatInt(v.Offset, 10), v.Column, v.Value, v.Reason, v.Raw, string(v.Record)})
		}
		if page.Next <= after {
			break
		}
		after = page.Next
	}
	w.Flush()
	return &rejectsOutput{
		ContentType: "text/csv; charset=utf-8",
		Disposition: `attachment; filename="rejects-` + safeName(id) + `.csv"`,
		Body:        body.Bytes(),
	}, nil
}

// safeName keeps of a run's ID, which a client sent, what may stand in a header.
func safeName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' {
			return r
		}
		return -1
	}, id)
}
