package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// pagePolicy lets the page load what lies beside it, and nothing else.
const pagePolicy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// page serves files that are part of the binary. Views of the page have URLs of their own, for which it serves index.html.
type page struct {
	files map[string]pageFile
}

type pageFile struct {
	body        []byte
	contentType string
	tag         string // a hash: files change with the binary only
}

// newPage reads all files of the page; without an index.html it makes one that lists the operations.
func newPage(files fs.FS, doc *huma.OpenAPI) http.Handler {
	p := page{files: map[string]pageFile{}}
	if files != nil {
		if _, err := fs.Stat(files, "index.html"); err == nil {
			_ = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error { // what cannot be read is 404
				if err != nil || entry.IsDir() || strings.HasSuffix(name, ".go") {
					return nil
				}
				if body, err := fs.ReadFile(files, name); err == nil {
					p.add(name, body)
				}
				return nil
			})
			return p
		}
	}
	p.add("index.html", plainIndex(doc))
	return p
}

func (p page) add(name string, body []byte) {
	contentType := mime.TypeByExtension(path.Ext(name))
	if path.Ext(name) == ".js" || path.Ext(name) == ".mjs" {
		contentType = "text/javascript; charset=utf-8" // the system's table may say otherwise
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	hash := sha256.Sum256(body)
	p.files[name] = pageFile{body: body, contentType: contentType, tag: `"` + hex.EncodeToString(hash[:8]) + `"`}
}

// views are the first parts of the paths of the page's views.
var views = []string{"pipelines", "runs"}

// ServeHTTP serves a file.
func (p page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	first, _, _ := strings.Cut(name, "/")
	if name == "" || slices.Contains(views, first) && path.Ext(name) == "" {
		name = "index.html"
	}
	file, ok := p.files[name]
	if !ok {
		writeProblem(w, problem(http.StatusNotFound, "there is no such path; /openapi.json lists those there are"))
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "no-cache") // ask again, with the tag
	h.Set("ETag", file.tag)
	if r.Header.Get("If-None-Match") == file.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(file.body) // a client that is gone has nobody to tell
}

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

func plainIndex(doc *huma.OpenAPI) []byte {
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
	return body.Bytes()
}
