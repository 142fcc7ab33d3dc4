package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed web
var embedded embed.FS

// Files returns the files of both documents, as nginx serves them.
func Files() fs.FS {
	web, err := fs.Sub(embedded, "web")
	if err != nil {
		panic(err) // "web" is a valid path
	}
	return web
}

// Policy is the Content-Security-Policy of both documents.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Options say where the documents are. A value is a path, a URL, or a port of the same host, such as ":8081".
type Options struct {
	Console string // Defaults to "/".
	Page    string // Defaults to "/welcome".
}

// Handler serves the documents and what they need. It answers GET and HEAD only. Files may be kept by browsers, which
// ask each time whether they have changed (ETag). Safe for use from several goroutines.
func Handler(o Options) http.Handler {
	if o.Console == "" {
		o.Console = "/"
	}
	if o.Page == "" {
		o.Page = "/welcome"
	}
	s := site{}
	err := fs.WalkDir(Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(Files(), name)
		s[name] = newFile(name, body)
		return err
	})
	if err != nil {
		panic(err) // the files are in the binary
	}
	config, _ := json.Marshal(map[string]string{"console": o.Console, "page": o.Page}) // strings always have a form
	s["config.json"] = newFile("config.json", config)
	return s
}

// site holds the files by their path.
type site map[string]file

type file struct {
	body, packed []byte // packed by gzip; nil if that is no smaller
	contentType  string
	tag          string
}

// types are those of the files that there are: the system's table may say otherwise, or nothing.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".svg":  "image/svg+xml",
}

func newFile(name string, body []byte) file {
	hash := sha256.Sum256(body)
	f := file{body: body, contentType: types[path.Ext(name)], tag: hex.EncodeToString(hash[:12])}
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // a level that exists
	_, _ = w.Write(body)                                       // to memory
	_ = w.Close()
	if packed.Len() < len(body) {
		f.packed = packed.Bytes()
	}
	return f
}

// find returns the file of a path. Views of the console have URLs of their own, with the console's document.
func (s site) find(urlPath string) (file, bool) {
	name := strings.TrimPrefix(urlPath, "/")
	first, rest, _ := strings.Cut(name, "/")
	switch {
	case name == "", (first == "pipelines" || first == "runs") && rest != "":
		name = "index.html"
	case name == "welcome":
		name = "welcome.html"
	}
	f, ok := s[name]
	return f, ok
}

// ServeHTTP serves one file.
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.find(r.URL.Path)
	if !ok {
		h.Set("Content-Security-Policy", "default-src 'none'")
		http.Error(w, "there is no such page; the console is at /", http.StatusNotFound)
		return
	}
	body, tag := f.body, `"`+f.tag+`"`
	if f.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			body, tag = f.packed, `"`+f.tag+`-gz"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Cache-Control", "no-cache") // keep it, and ask with the tag
	h.Set("ETag", tag)
	h.Set("Content-Security-Policy", Policy)
	if has(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // a client that is gone has nobody to tell
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it matters here.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, weighted := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if !strings.EqualFold(coding, "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ToLower(weight), "q="), 64)
		return !weighted || err == nil && q > 0
	}
	return false
}

// has tells whether If-None-Match (RFC 9110, 13.1.2) names the tag. A proxy may have made it a weak one.
func has(noneMatch, tag string) bool {
	for part := range strings.SplitSeq(noneMatch, ",") {
		if part = strings.TrimPrefix(strings.TrimSpace(part), "W/"); part == tag || part == "*" {
			return true
		}
	}
	return false
}
