package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser is one Chromium for all tests, each of which has a tab with its own storage.
var browser context.Context

func TestMain(m *testing.M) {
	path := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); path == "" && err == nil {
			path = found
		}
	}
	if path == "" {
		fmt.Fprintln(os.Stderr, "there is no browser: install chromium, or name one in CHROMIUM")
		os.Exit(1)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 900), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(60*time.Second))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	var end context.CancelFunc
	browser, end = chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		fmt.Fprintln(os.Stderr, "starting the browser:", err)
		os.Exit(1)
	}
	code := m.Run()
	end()
	stop()
	os.Exit(code)
}

// tab is one test's window.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	mu   sync.Mutex
	errs []chromedp.ConsoleMessage
	// refusals: answers of 4xx and 5xx are expected, which Chromium writes on its console by itself.
	refusals bool
}

// open opens a path. When the test ends, the browser's console must be free of errors.
func open(t *testing.T, f *fake, path string, actions ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	ctx, timeout := context.WithTimeout(ctx, 60*time.Second)
	b := &tab{t: t, ctx: ctx, base: f.URL}
	messages := chromedp.Console(ctx)
	go func() { // ends with the context
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
				b.note(m)
			}
		}
	}()
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.errs {
			if b.refusals && m.Source == "network" {
				continue
			}
			t.Errorf("the browser's console: %s %s", m, m.URL)
		}
		timeout()
		cancel()
	})
	b.run(append([]chromedp.Action[chromedp.Void]{}, actions...)...)
	b.run(chromedp.Navigate(f.URL + path))
	return b
}

func (b *tab) note(m chromedp.ConsoleMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, m)
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns what a JavaScript expression is.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for an expression to become true. Not by chromedp.Poll, which makes a function from text in the page: the
// console's policy forbids that.
func (b *tab) until(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !eval[bool](b, "Boolean("+expression+")") {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.picture("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
			b.t.Fatalf("waited in vain for %s; the page says:\n%s", expression, eval[string](b, `document.body.innerText`))
		}
	}
}

// says waits for a text to be seen.
func (b *tab) says(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// click clicks the first thing seen that a selector finds and that has the text.
func (b *tab) click(selector, text string) {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll(%q)].find((e) => e.checkVisibility() && !e.disabled && e.innerText.trim().startsWith(%q))`, selector, text)
	b.until(find + " !== undefined")
	eval[any](b, find+".click()")
}

// picture keeps a picture of the whole page if that is wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	folder := os.Getenv("E2E_PICTURES")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// slow tells that the machine is shared with so much else that times say nothing: E2E_SLOW=1.
func slow() bool { return os.Getenv("E2E_SLOW") != "" }
