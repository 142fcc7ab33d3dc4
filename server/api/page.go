package api

import (
	"bytes"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

var plainTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<h1>Millrace</h1>
<p>This server has an API and no page. Its document is <a href="/openapi.json">/openapi.json</a>.</p>
<table>
{{range .}}<tr><td><code>{{.Method}} {{.Path}}</code></td><td>{{.Summary}}</td></tr>
{{end}}</table>
</html>
`))

// plainIndex is the page of a server that has none.
func plainIndex(doc *huma.OpenAPI) http.Handler {
	var operations []*huma.Operation
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post} {
			if op != nil {
				operations = append(operations, op)
			}
		}
	}
	slices.SortFunc(operations, func(a, b *huma.Operation) int {
		return strings.Compare(a.Path+a.Method, b.Path+b.Method)
	})
	var body bytes.Buffer
	_ = plainTemplate.Execute(&body, operations) // to memory, of our own values
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			writeProblem(w, problem(http.StatusNotFound, noPath))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body.Bytes()) // a client that is gone has nobody to tell
	})
}
