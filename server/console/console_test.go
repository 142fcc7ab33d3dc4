package console_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/server/console"
)

func ask(t *testing.T, h http.Handler, method, target string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func text(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryViewHasItsURL(t *testing.T) {
	h := console.Handler(console.Options{})
	const theConsole, firstPage = `src="/assets/main.js"`, `src="/assets/welcome.js"`
	for _, tc := range []struct {
		path        string
		status      int
		contentType string
		contains    string
	}{
		{"/", 200, "text/html; charset=utf-8", theConsole},
		{"/index.html", 200, "text/html; charset=utf-8", theConsole},
		{"/pipelines/sde_gul_etl", 200, "text/html; charset=utf-8", theConsole},
		{"/pipelines/v1.2", 200, "text/html; charset=utf-8", theConsole},
		{"/pipelines/a%2Fb", 200, "text/html; charset=utf-8", theConsole},
		{"/runs/0190a1b2-0000-7000-8000-000000000001?tab=log&stage=load", 200, "text/html; charset=utf-8", theConsole},
		{"/welcome", 200, "text/html; charset=utf-8", firstPage},
		{"/welcome.html", 200, "text/html; charset=utf-8", firstPage},
		{"/assets/main.js", 200, "text/javascript; charset=utf-8", "import"},
		{"/assets/style.css", 200, "text/css; charset=utf-8", "color-scheme"},
		{"/favicon.svg", 200, "image/svg+xml", "<svg"},
		{"/config.json", 200, "application/json", `"/welcome"`},
		{"/pipelines", 404, "text/plain; charset=utf-8", "no such page"},
		{"/runs/", 404, "text/plain; charset=utf-8", "no such page"},
		{"/assets", 404, "text/plain; charset=utf-8", "no such page"},
		{"/assets/absent.js", 404, "text/plain; charset=utf-8", "no such page"},
		{"/../console.go", 404, "text/plain; charset=utf-8", "no such page"},
		{"/console.go", 404, "text/plain; charset=utf-8", "no such page"},
	} {
		res := ask(t, h, "GET", tc.path, nil)
		if res.Code != tc.status || res.Header().Get("Content-Type") != tc.contentType {
			t.Errorf("GET %s: %d %s, want %d %s", tc.path, res.Code, res.Header().Get("Content-Type"), tc.status, tc.contentType)
		}
		if body := text(t, res.Body); !strings.Contains(body, tc.contains) {
			t.Errorf("GET %s: no %q in %.100q", tc.path, tc.contains, body)
		}
		if res.Header().Get("Content-Security-Policy") == "" || res.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: headers %v", tc.path, res.Header())
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	h := console.Handler(console.Options{})
	res := ask(t, h, "POST", "/", nil)
	if res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", res.Code, res.Header().Get("Allow"))
	}
	res = ask(t, h, "HEAD", "/", nil)
	if res.Code != http.StatusOK || res.Header().Get("Content-Length") == "" || text(t, res.Body) != "" {
		t.Errorf("HEAD: %d, headers %v", res.Code, res.Header())
	}
}

func TestFilesAreKeptByTheirTag(t *testing.T) {
	h := console.Handler(console.Options{})
	plain := ask(t, h, "GET", "/assets/main.js", nil).Header().Get("ETag")
	packed := ask(t, h, "GET", "/assets/main.js", map[string]string{"Accept-Encoding": "gzip"}).Header().Get("ETag")
	if plain == "" || plain == packed {
		t.Fatalf("tags %q and %q: each form needs its own", plain, packed)
	}
	for _, tc := range []struct {
		noneMatch string
		status    int
	}{
		{plain, 304}, {`"x", ` + plain, 304}, {"W/" + plain, 304}, {"*", 304}, {packed, 200}, {`"x"`, 200}, {"", 200},
	} {
		res := ask(t, h, "GET", "/assets/main.js", map[string]string{"If-None-Match": tc.noneMatch})
		if res.Code != tc.status {
			t.Errorf("If-None-Match %s: %d, want %d", tc.noneMatch, res.Code, tc.status)
		}
		if body := text(t, res.Body); (body == "") != (tc.status == 304) {
			t.Errorf("If-None-Match %s: a body of %d bytes", tc.noneMatch, len(body))
		}
	}
}

func TestFilesArePackedForThoseWhoTakeThat(t *testing.T) {
	h := console.Handler(console.Options{})
	plain := text(t, ask(t, h, "GET", "/assets/style.css", nil).Body)
	for accept, packed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "deflate,gzip": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=x": false,
	} {
		res := ask(t, h, "GET", "/assets/style.css", map[string]string{"Accept-Encoding": accept})
		if res.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary is %q", accept, res.Header().Get("Vary"))
		}
		var body io.Reader = res.Body
		if got := res.Header().Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("%q: packed %v, want %v", accept, got, packed)
		} else if got {
			unpacked, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = unpacked
		}
		if text(t, body) != plain {
			t.Errorf("%q: another body", accept)
		}
	}
}

func TestTheConfigSaysWhereTheOtherDocumentIs(t *testing.T) {
	h := console.Handler(console.Options{Console: ":8081", Page: "https://example.org/</script>"})
	var config map[string]string
	if err := json.NewDecoder(ask(t, h, "GET", "/config.json", nil).Body).Decode(&config); err != nil {
		t.Fatal(err)
	}
	if config["console"] != ":8081" || config["page"] != "https://example.org/</script>" {
		t.Errorf("config %v", config)
	}
}

// imports are the modules that a module names.
var imports = regexp.MustCompile(`(?m)^import [^;]*?['"]\./([^'"]+)['"]`)

func needed(t *testing.T, module string, seen map[string]bool) {
	t.Helper()
	if seen[module] {
		return
	}
	seen[module] = true
	body, err := fs.ReadFile(console.Files(), "assets/"+module)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range imports.FindAllStringSubmatch(string(body), -1) {
		needed(t, m[1], seen)
	}
}

func TestEachDocumentNamesAllItsModules(t *testing.T) {
	all := map[string]bool{"theme.js": true}
	for document, entry := range map[string]string{"index.html": "main.js", "welcome.html": "welcome.js"} {
		modules := map[string]bool{}
		needed(t, entry, modules)
		body, err := fs.ReadFile(console.Files(), document)
		if err != nil {
			t.Fatal(err)
		}
		var named []string
		for _, m := range regexp.MustCompile(`rel="modulepreload" href="/assets/([^"]+)"`).FindAllStringSubmatch(string(body), -1) {
			named = append(named, m[1])
		}
		for module := range modules {
			all[module] = true
			if module != entry && !slices.Contains(named, module) {
				t.Errorf("%s does not name %s, which a browser would find late", document, module)
			}
		}
		for _, module := range named {
			if !modules[module] {
				t.Errorf("%s names %s, which it does not need", document, module)
			}
		}
	}
	modules, err := fs.Glob(console.Files(), "assets/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range modules {
		if !all[path.Base(module)] {
			t.Errorf("nobody needs %s", module)
		}
	}
}

func TestThePageIsLight(t *testing.T) {
	const most = 100_000 // bytes over the wire
	h := console.Handler(console.Options{})
	for document, entry := range map[string]string{"/": "main.js", "/welcome": "welcome.js"} {
		modules := map[string]bool{"theme.js": true, "style.css": true}
		needed(t, entry, modules)
		total := 0
		for _, target := range append([]string{document, "/favicon.svg", "/config.json"}, prefixed("/assets/", modules)...) {
			total += len(text(t, ask(t, h, "GET", target, map[string]string{"Accept-Encoding": "gzip"}).Body))
		}
		t.Logf("%s: %d bytes", document, total)
		if total > most {
			t.Errorf("%s weighs %d bytes, more than %d", document, total, most)
		}
	}
}

func prefixed(prefix string, names map[string]bool) (all []string) {
	for name := range names {
		all = append(all, prefix+name)
	}
	return all
}

// What the policy forbids would fail in the browser only when it is reached; here it fails at once.
func TestNoFileTurnsTextIntoMarkupOrScript(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\(|new Function|javascript:|style="|\son[a-z]+="|<style|https?://[^\s'")]*\.(js|css)["')]`)
	inline := regexp.MustCompile(`<script(?:\s+type="module")?>`)
	err := fs.WalkDir(console.Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(console.Files(), name)
		for _, pattern := range []*regexp.Regexp{forbidden, inline} {
			if found := pattern.Find(body); found != nil {
				t.Errorf("%s has %q", name, found)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
