package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// colours sets what the system prefers: light or dark.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// faults finds texts without enough contrast (WCAG 2.1 AA, 1.4.3), controls without a name (4.1.2) and IDs that are used twice.
const faults = `(() => {
	const found = new Set();
	const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
	const rgba = (colour) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = colour;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
	const behind = (el) => {
		if (!el) return rgba(getComputedStyle(document.body).backgroundColor);
		const own = rgba(getComputedStyle(el).backgroundColor);
		return own[3] === 1 ? own : [...over(own, behind(el.parentElement)), 1];
	};
	const light = (c) => c.slice(0, 3).map((x) => (x /= 255) <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4).reduce((s, x, i) => s + x * [0.2126, 0.7152, 0.0722][i], 0);
	for (const el of document.body.querySelectorAll('*')) {
		if (!el.checkVisibility() || el.closest('.sr, .skip, :disabled') || ![...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(el);
		const back = behind(el);
		const text = over(rgba(el instanceof SVGElement ? style.fill : style.color), back);
		const [a, b] = [light(text), light(back)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize);
		const enough = size >= 24 || size >= 18.66 && style.fontWeight >= 700 ? 3 : 4.5;
		if ((a + 0.05) / (b + 0.05) < enough) found.add('contrast ' + ((a + 0.05) / (b + 0.05)).toFixed(2) + ' of "' + el.textContent.trim().slice(0, 40) + '" (' + el.className + ')');
	}
	for (const el of document.querySelectorAll('a[href], button, input, select, [tabindex="0"]')) {
		const name = el.getAttribute('aria-label') || el.innerText?.trim() || el.labels?.[0]?.innerText;
		if (el.checkVisibility() && !name) found.add('no name: ' + el.outerHTML.slice(0, 120));
	}
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.add('twice: #' + id);
	for (const part of ['main', 'header', 'h1']) if (document.querySelectorAll(part).length !== 1) found.add('not one ' + part);
	return [...found];
})()`

// Each view in light and dark, wide and on a phone: it must show what it is for, and fit the width.
func TestViews(t *testing.T) {
	f := newFake(t)
	f.world()
	views := []struct{ name, path, says string }{
		{"pipelines", "/", "All right. 2 pipelines"},
		{"pipeline", "/pipelines/" + salesName, "14,210 rows in"},
		{"run-timeline", "/runs/" + idOf(500), "waited for input"},
		{"run-failed", "/runs/" + idOf(497), "too narrow for the data"},
		{"run-log", "/runs/" + idOf(500) + "?tab=log", "a batch was passed on"},
		{"run-rejects", "/runs/" + idOf(500) + "?tab=rejects", "is not an integer"},
		{"run-details", "/runs/" + idOf(500) + "?tab=details", "flowchart LR"},
		{"welcome", "/welcome", "Leather Belt"},
	}
	for _, size := range []struct {
		name  string
		width int64
		dark  bool
	}{{"light", 1280, false}, {"dark", 1280, true}, {"phone", 360, false}} {
		for _, v := range views {
			t.Run(v.name+"-"+size.name, func(t *testing.T) {
				scheme := "light"
				if size.dark {
					scheme = "dark"
				}
				b := open(t, f, v.path, chromedp.EmulateViewport(size.width, 900),
					colours(scheme))
				b.says(v.says)
				b.until(`document.querySelectorAll('.skel').length === 0`)
				b.until(`document.querySelector('.grid-canvas .blank') === null`)
				if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > size.width {
					t.Errorf("the page is %d px wide, more than the window's %d", wide, size.width)
				}
				for _, fault := range eval[[]string](b, faults) {
					t.Error(fault)
				}
				b.picture(v.name + "-" + size.name)
			})
		}
	}
}

// What looks for faults must find them, or it proves nothing.
func TestFaultsAreFound(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/")
	b.says("All right. 2 pipelines")
	eval[any](b, `(document.querySelector('h1').style.color = '#999', document.querySelector('#theme').removeAttribute('aria-label'), document.querySelector('#theme').replaceChildren(), document.querySelector('footer').id = 'main', 0)`)
	found := strings.Join(eval[[]string](b, faults), "\n")
	for _, want := range []string{`contrast 2.73 of "All right.`, `no name: <button`, "twice: #main"} {
		if !strings.Contains(found, want) {
			t.Errorf("%q was not found, only:\n%s", want, found)
		}
	}
}
