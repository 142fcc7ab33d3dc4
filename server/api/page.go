package api

import (
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// What plainIndex writes before, for and after the operations.
const (
	plainHead = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace</title>
<h1>Millrace</h1>
<p>This server has an API and no page. Its document is <a href="/openapi.json">/openapi.json</a>.</p>
<table>
`
	plainRow  = "<tr><td><code>%s %s</code></td><td>%s</td></tr>\n"
	plainTail = "</table>\n</html>\n"
)

// plainIndex is the page of a server that has none. It does not take html/template, which calls methods by their names,
// so that the linker would keep every method of every type: a tenth of the binary.
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
	body := []byte(plainHead)
	for _, op := range operations {
		body = fmt.Appendf(body, plainRow, op.Method, html.EscapeString(op.Path), html.EscapeString(op.Summary))
	}
	body = append(body, plainTail...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			writeProblem(w, problem(http.StatusNotFound, noPath))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(body) // a client that is gone has nobody to tell
	})
}
