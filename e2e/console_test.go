package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs"
)

const salesPath = "/pipelines/" + salesName

// begin makes a run of the fake's running, with a share of its rows.
func begin(share float64) func(*runs.Record) {
	return func(r *runs.Record) {
		if r.StartedAt.IsZero() {
			r.StartedAt = time.Now()
		}
		r.State, r.Reason, r.Attempt, r.Worker = runs.Running, "", max(r.Attempt, 1), "backend-2"
		r.Report = salesReport(r.StartedAt, share, pipeline.StateRunning)
	}
}

func succeed(r *runs.Record) {
	r.State = runs.Succeeded
	finish(r, 8100*time.Millisecond, salesReport(r.StartedAt, 1, pipeline.StateSucceeded))
}

func TestARunIsTriggeredByClickAndWatchedToItsEnd(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/")
	b.says("All right. 2 pipelines")
	b.click("a", salesName)
	b.click("button", "Run…")
	b.says("It begins at once if a worker is free.")
	b.run(chromedp.SetValue(chromedp.CSS("dialog input[inputmode=numeric]"), "25"))
	b.click("dialog button", "Start the run")
	b.says("queued")
	b.says("waits for a free worker")
	id := read(f, func() string { return f.records[0].ID })
	if got := read(f, func() any { return f.triggered[0]["params"] }); fmt.Sprint(got) != "map[dry:false max_rejects:25 mode:replace]" {
		t.Errorf("params %v", got)
	}
	f.change(id, begin(0.25))
	b.says("3,552 rows")
	b.says("running")
	f.change(id, begin(0.75))
	b.says("10,656 rows in")
	f.change(id, succeed)
	b.says("14,210 rows in, 8,101 out")
	b.until(`document.title.startsWith('succeeded')`)
	b.until(`document.getElementById('announce').textContent === 'The run is succeeded.'`)
	b.says("commit")
}

func TestAPageThatIsLoadedInTheMiddleOfARunGoesOn(t *testing.T) {
	f := newFake(t)
	f.world()
	f.records[0].EndedAt = time.Time{}
	f.change(idOf(500), begin(0.5))
	b := open(t, f, "/runs/"+idOf(500))
	b.says("7,104 rows in")
	b.run(chromedp.Reload())
	b.says("7,104 rows in")
	f.change(idOf(500), begin(0.75))
	b.says("10,656 rows in")
}

func TestWhatFailedSaysWhyAndIsRetriedThere(t *testing.T) {
	f := newFake(t)
	f.world()
	const missing = `sde_gul_etl: extract_csv: in_store_sales.csv: no column "sale_date": the columns are sale_id, product, quantity, price`
	f.change(idOf(497), func(r *runs.Record) { r.Error = missing })
	b := open(t, f, "/runs/"+idOf(497))
	b.says(missing)
	b.says("Check the header of the file")
	b.refusals = true
	f.set(func() { f.refuse = &problem{409, "run x has not ended (running): it cannot be retried", nil} })
	b.click("button", "Retry")
	b.says("Run x has not ended (running): it cannot be retried.")
	b.click("button", "Retry")
	b.says("retried by api")
	b.says("Cancel the run")
}

func TestCancellingAsksOnce(t *testing.T) {
	f := newFake(t)
	f.world()
	f.change(idOf(500), begin(0.5))
	b := open(t, f, "/runs/"+idOf(500))
	b.click("button", "Cancel the run")
	b.says("Cancel the run of sde_gul_etl?")
	b.click("dialog button", "Leave it")
	b.until(`!document.querySelector('dialog')`)
	if state := read(f, func() runs.State { return f.run(idOf(500)).State }); state != runs.Running {
		t.Fatalf("the run is %s after nothing was done", state)
	}
	b.click("button", "Cancel the run")
	b.click("dialog button", "Cancel the run")
	b.says("cancelled by api")
	b.says("Retry")
}

func TestABackfillIsStartedAndShown(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/pipelines/nightly_rollup")
	b.refusals = true
	b.click("button", "Backfill…")
	b.says("Starts one run for each date of the schedule")
	f.set(func() {
		f.refuse = &problem{422, "from (2025-03-09) is after to (2025-03-02)", []map[string]string{{"location": "from", "message": "from (2025-03-09) is after to (2025-03-02)"}}}
	})
	b.run(chromedp.SetValue(chromedp.CSS("dialog input[type=date]"), "2025-03-09"))
	eval[any](b, `document.querySelectorAll('dialog input[type=date]')[1].value = '2025-03-02'`)
	b.click("dialog button", "Start the backfill")
	b.says("from (2025-03-09) is after to (2025-03-02)")
	b.until(`document.activeElement.getAttribute('aria-invalid') === 'true'`)
	eval[any](b, `document.querySelectorAll('dialog input[type=date]')[1].value = '2025-03-11'`)
	b.click("dialog button", "Start the backfill")
	b.says("The backfill's 3 runs are queued")
	if got := read(f, func() string { return fmt.Sprint(f.triggered[0]) }); got != "map[from:2025-03-09 parallel:1 params:map[] to:2025-03-11T23:59:59Z]" {
		t.Errorf("asked for %s", got)
	}
	b.click("a", "show only these")
	b.says("3 runs")
	b.until(`location.search.startsWith('?backfill=')`)
}

func TestAScheduleIsPausedAndResumed(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/")
	b.click("button", "Pause")
	b.says("paused by api")
	b.click("button", "Resume")
	b.until(`!document.body.innerText.includes('paused by api')`)
	b.says("in 12 h")
}

func TestTheTokenIsAskedFor(t *testing.T) {
	f := newFake(t)
	f.world()
	f.token = "correct horse battery"
	b := open(t, f, "/")
	b.refusals = true
	b.says("This server wants a token")
	b.run(chromedp.SendKeys(chromedp.CSS("#token"), "wrong"+kb.Enter))
	b.says("The token is not one of this server's.")
	b.run(chromedp.SendKeys(chromedp.CSS("#token"), f.token+kb.Enter))
	b.says("All right. 2 pipelines")
	// Streams send it too, and a reload asks no second time.
	f.change(idOf(500), begin(0.5))
	b.run(chromedp.Navigate(f.URL + "/runs/" + idOf(500)))
	b.says("7,104 rows in")
	f.change(idOf(500), begin(0.75))
	b.says("10,656 rows in")
	if stored := eval[int](b, `localStorage.length`); stored != 0 {
		t.Errorf("%d values in localStorage", stored)
	}
}

func TestALostConnectionIsSeenAndComesBack(t *testing.T) {
	f := newFake(t)
	f.world()
	f.change(idOf(500), begin(0.5))
	b := open(t, f, "/runs/"+idOf(500))
	b.refusals = true
	b.says("7,104 rows in")
	f.set(func() { f.down = true })
	b.says("Connection lost. The server is not ready: waiting for the database.")
	f.change(idOf(500), succeed)
	f.set(func() { f.down = false })
	b.says("14,210 rows in")
	b.until(`document.getElementById('link').innerText.trim() === 'live'`)
}

func TestAThousandRunsOfThirtyStages(t *testing.T) {
	f := newFake(t)
	f.giant()
	var b *tab
	least := 1e9
	for range 5 { // what else the machine does only adds
		b = open(t, f, "/pipelines/giant")
		b.until(`performance.getEntriesByName('millrace.grid').length`)
		ms := eval[float64](b, `performance.getEntriesByName('millrace.grid')[0].startTime`)
		b.until(`document.querySelector('.grid-canvas .blank') === null`)
		t.Logf("painted after %.0f ms, all stages in view after %.0f ms", ms, eval[float64](b, `performance.now()`))
		least = min(least, ms)
	}
	if least > 500 && !slow() {
		t.Errorf("painted after %.0f ms, more than 500", least)
	}
	const drawn = `document.querySelectorAll('.col').length`
	for range 6 { // to the oldest, a page of the list at a time
		eval[any](b, `document.querySelector('.grid-scroll').scrollLeft = 0`)
		b.until(drawn + ` > 20`)
	}
	b.until(`(document.querySelector('.grid-scroll').scrollLeft = 0, document.querySelector('.grid-canvas').clientWidth === 20000)`)
	b.says("1,000 runs")
	if n := eval[int](b, drawn); n > 120 {
		t.Errorf("%d columns are drawn, of which about 60 can be seen", n)
	}
	b.until(`[...document.querySelectorAll('.col')].every((c) => c.querySelector('.s-succeeded').getAttribute('d').split('M').length === 32)`)
	if read := read(f, func() int { return f.listed }); read > 500 {
		t.Errorf("%d runs were read, though few were looked at", read)
	}
	eval[int](b, `(async () => {
		const scroller = document.querySelector('.grid-scroll');
		let longest = 0, last = await new Promise(requestAnimationFrame);
		for (let x = 0; x < 20000; x += 400) {
			scroller.scrollLeft = x;
			const now = await new Promise(requestAnimationFrame);
			longest = Math.max(longest, now - last);
			last = now;
		}
		window.longest = longest;
	})(), 0`)
	b.until(`window.longest !== undefined`)
	t.Logf("longest frame while scrolling: %.0f ms", eval[float64](b, `window.longest`))
	if ms := eval[float64](b, `window.longest`); ms > 100 && !slow() {
		t.Errorf("a frame took %.0f ms while scrolling", ms)
	}
}

func TestTheLogIsReadInParts(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/runs/"+idOf(500)+"?tab=log")
	b.says("line 1: a batch was passed on")
	if n := eval[int](b, `document.querySelectorAll('.log-line').length`); n > 80 {
		t.Errorf("%d lines are drawn", n)
	}
	b.click("button", "Last")
	b.says("line 1800: a batch was passed on")
	b.says("1,800 lines")
	b.click("button", "First")
	b.says("line 1: a batch was passed on")
	b.run(chromedp.SendKeys(chromedp.CSS("input[type=search]"), "set aside"))
	b.says("line 8: a record was set aside")
	b.click("button", "Last")
	b.says("36 lines that match")
	b.until(`location.search.includes('q=set+aside')`)
	b.click(".log-line", "")
	b.says("records = 512")
	b.run(chromedp.Navigate(f.URL + "/runs/" + idOf(500) + "?tab=log&stage=load&level=warn"))
	b.says("No line matches.")
	b.until(`document.querySelector('select[aria-label=Stage]').value === 'load'`)
}

func TestALogIsFollowed(t *testing.T) {
	f := newFake(t)
	f.world()
	f.change(idOf(500), begin(0.5))
	b := open(t, f, "/runs/"+idOf(500)+"?tab=log")
	b.click("button", "Follow")
	b.says("line 1800: a batch was passed on")
	f.set(func() {
		f.logs[idOf(500)] = append(f.logs[idOf(500)], runs.LogLine{ID: 1801, Time: time.Now(), Attempt: 1, Level: "info", Message: "and one more"})
	})
	f.change(idOf(500), begin(0.6))
	b.says("and one more")
}

func TestRejectsAreCountedShownAndDownloaded(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/runs/"+idOf(500)+"?tab=rejects")
	b.says("12 records were rejected.")
	b.until(`document.querySelector('mark').textContent === 'abc'`)
	b.says(`{"id":"S-1107","product":"Earl Grey Tea"}`)
	b.click("button", "is not a date")
	b.until(`document.querySelectorAll('.rejects tbody tr').length === 1 && location.search.includes('reason=')`)
	eval[any](b, `HTMLAnchorElement.prototype.click = function () { fetch(this.href).then((r) => r.text()).then((text) => { window.saved = [this.download, text]; }); }, 0`)
	b.refusals = true // the policy lets nobody fetch a blob, and need not
	eval[any](b, `(URL.createObjectURL = (blob) => { blob.text().then((text) => { window.content = text; }); return '/favicon.svg'; }, 0)`)
	b.click("button", "Download CSV")
	b.until(`window.content === 'stage,value\nload,abc\n' && window.saved?.[0] === 'rejects-` + idOf(500) + `.csv'`)
}

func TestTheKeyboardIsEnough(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/")
	b.says("All right. 2 pipelines")
	tabTo := func(what string) {
		t.Helper()
		for range 60 {
			b.run(chromedp.KeyEvent(kb.Tab))
			if eval[bool](b, what) {
				return
			}
		}
		t.Fatalf("Tab never led to %s", what)
	}
	focused := `document.activeElement`
	b.run(chromedp.KeyEvent(kb.Tab))
	if got := eval[string](b, focused+`.innerText`); got != "Go to the content" {
		t.Errorf("the first stop is %q", got)
	}
	tabTo(focused + `.classList.contains('strip-run')`)
	b.until(`document.querySelector('.tip').checkVisibility() && document.querySelector('.tip').innerText.startsWith('succeeded')`)
	tabTo(focused + `.innerText === '` + salesName + `'`)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.says("14,210 rows in")
	if got := eval[string](b, focused+`.tagName`); got != "H1" {
		t.Errorf("the focus is on %s after going to a view", got)
	}
	tabTo(focused + `.classList.contains('col')`)
	b.run(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`document.querySelector('.grid-line').innerText.includes('failed')`)
	for range 5 {
		b.run(chromedp.KeyEvent(kb.ArrowDown))
	}
	b.until(`document.querySelector('.grid-line').innerText.startsWith('load: failed')`)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.says("too narrow for the data")
	tabTo(focused + `.innerText === 'Log'`)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.says(narrowColumn)
	tabTo(focused + `.innerText === 'Retry'`)
	b.run(chromedp.KeyEvent(kb.Enter))
	b.says("retried by api")
}

func TestHostileTextStaysText(t *testing.T) {
	f := newFake(t)
	f.world()
	f.set(func() {
		f.pipelines[1].Description = hostile
		f.pipelines[1].Graph.Nodes[0].Description = hostile
		f.pipelines[1].Params[0].Description, f.pipelines[1].Params[0].Default = hostile, hostile
		f.sales[0]["product"], f.data[0]["name"] = hostile, hostile
		r := f.run(idOf(500))
		r.State, r.Error, r.Reason, r.Worker, r.By = runs.Failed, "load: "+hostile, hostile, hostile, hostile
		r.Params = runs.Values{hostile: hostile}
		r.Report.Stages[4].Error, r.Report.Stages[4].State = hostile, pipeline.StateFailed
		f.logs[r.ID] = []runs.LogLine{{ID: 1, Time: time.Now(), Attempt: 1, Stage: hostile, Level: hostile, Message: hostile, Fields: map[string]string{hostile: hostile}}}
		f.rejects[r.ID] = rejects{Total: 1, Kept: 1, Reasons: map[string]int64{hostile: 1}, Items: []reject{{Source: hostile, Column: hostile, Value: hostile, Reason: hostile, Raw: "1," + hostile + ",2", Record: map[string]any{hostile: hostile}}}}
	})
	run := "/runs/" + idOf(500)
	for _, path := range []string{"/", salesPath, run, run + "?tab=log", run + "?tab=rejects", run + "?tab=details", "/welcome"} {
		b := open(t, f, path)
		b.until(fmt.Sprintf(`document.body.textContent.includes(%q)`, hostile))
		b.until(`document.querySelectorAll('.skel').length === 0`)
		if path == salesPath {
			b.click("button", "Run…")
			b.says(hostile)
		}
		if eval[bool](b, `window.hacked !== undefined || document.querySelector('img, main script, dialog script') !== null`) {
			t.Errorf("%s made markup of a text", path)
		}
	}
}

func TestTheFirstPageShowsTheBalancing(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, "/welcome")
	b.says("Leather Belt, navy, L")
	b.says("48,210.75 (900)")
	b.says("Sude")
	b.until(`document.getElementById('loaded').innerText.includes('Loaded 3 min ago by run …') || document.getElementById('loaded').innerText.includes('Loaded 4 min ago by run …')`)
	first := eval[string](b, `document.getElementById('served-by').innerText`)
	b.click("button", "Ask again")
	b.until(fmt.Sprintf(`document.getElementById('served-by').innerText !== %q`, first))
	b.until(`document.querySelectorAll('#tally li').length === 2`)
	if href := eval[string](b, `document.getElementById('console').href`); href != f.URL+"/" {
		t.Errorf("the console is at %s", href)
	}
}

func TestWhatIsNotThereSaysSo(t *testing.T) {
	f := newFake(t)
	f.world()
	for path, words := range map[string]string{
		"/pipelines/absent":           `There is no pipeline "absent".`,
		"/runs/" + idOf(1):            `There is no run "` + idOf(1) + `".`,
		"/pipelines/a%20b%2Fc":        `There is no pipeline "a b/c".`,
		"/runs/" + idOf(2) + "/extra": "There is no such page",
	} {
		b := open(t, f, path)
		b.refusals = true
		b.says(words)
		b.says("All pipelines")
	}
	empty := newFake(t)
	b := open(t, empty, "/")
	b.says("The server knows no pipeline")
	f.set(func() { f.records = nil })
	b = open(t, f, salesPath)
	b.says("It has never run.")
	b.says("No runs yet.")
}

// Going back shows what was there, and the address says all: tab, stage, filter.
func TestEveryViewHasItsAddress(t *testing.T) {
	f := newFake(t)
	f.world()
	b := open(t, f, salesPath+"?state=failed")
	b.says("1 run")
	b.click("a", "Open the run")
	b.click("nav a", "Details")
	b.until(`location.search === '?tab=details'`)
	b.says("flowchart LR")
	eval[any](b, `history.go(-2)`)
	b.until(`location.pathname === '` + salesPath + `' && location.search === '?state=failed'`)
	b.until(`document.querySelector('select[aria-label="State of the runs"]').value === 'failed'`)
	if title := eval[string](b, `document.title`); !strings.HasPrefix(title, salesName) {
		t.Errorf("title %q", title)
	}
}
