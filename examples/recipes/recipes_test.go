package recipes

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestUpsert(t *testing.T) {
	const header = "id,product,amount,placed,status\n"
	r, pool := start(t, map[string]string{"orders.csv": header + "1,pen,3,2026-01-02,open\n2,ink,many,2026-01-02,open\n" +
		"3,cup,1,2026-01-03,cancelled\n4,hat,-1,2026-01-03,open\n"},
		`create table orders (id bigint primary key, product text not null, amount int not null check (amount > 0), placed date not null);
		 insert into orders values (1, 'pen', 1, '2026-01-01')`)
	if got := r.run("upsert"); !strings.Contains(got, "load") {
		t.Errorf("the report is %q", got)
	}
	r.rows(pool, "select * from orders order by id", "(1,pen,3,2026-01-02)")
	r.file("bad.csv", header+"2,ink,many,2026-01-02,open\n4,hat,-1,2026-01-03,open\n")
}

func TestJoin(t *testing.T) {
	r, _ := start(t, nil, `create table orders (id bigint, customer bigint, amount int);
		create table customers (id bigint, name text);
		insert into orders values (1, 10, 5), (2, 99, 6), (3, 10, 7);
		insert into customers values (10, 'Ann'), (11, 'Bob')`)
	r.run("join")
	packed, err := os.Open(filepath.Join(r.dir, "orders.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(plain)
	if want := "id,customer,amount\n1,Ann,5\n2,,6\n3,Ann,7\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// tickets gives two tickets a page, and asks to slow down before every other page.
func tickets(t *testing.T, last *atomic.Int64) *httptest.Server {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%2 == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		var after int64
		_, _ = fmt.Sscanf(r.URL.Query().Get("after"), "token-%d", &after)
		type ticket struct {
			ID    int64  `json:"id"`
			Title string `json:"title"`
		}
		page := struct {
			Tickets []ticket
			Next    string
			More    bool
		}{Tickets: []ticket{}}
		for after < last.Load() && len(page.Tickets) < 2 {
			after++
			page.Tickets = append(page.Tickets, ticket{after, fmt.Sprint("ticket ", after)})
		}
		page.Next, page.More = fmt.Sprint("token-", after), after < last.Load()
		if err := json.NewEncoder(w).Encode(page); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func TestPaged(t *testing.T) {
	var last atomic.Int64
	server := tickets(t, &last)
	r, pool := start(t, nil, "select")
	for i, n := range []int64{5, 7, 7} {
		last.Store(n)
		want := []string{"5 tickets\n", "2 tickets\n", "0 tickets\n"}[i]
		if got := r.run("paged", server.URL); got != want {
			t.Errorf("run %d: %q, want %q", i+1, got, want)
		}
	}
	r.rows(pool, "select count(*), count(distinct id), min(title) from tickets", `(7,7,"ticket 1")`)
}

func TestJSONLines(t *testing.T) {
	r, _ := start(t, nil, "select")
	if err := os.Mkdir(filepath.Join(r.dir, "events"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, lines := range map[string]string{
		"a": `{"at":"2026-01-02T10:00:00Z","level":"error","source":{"host":"a","tags":["x"]},"message":"down","trace":17}` + "\n" +
			`{"at":"2026-01-02T10:00:01Z","level":"info","source":{"host":"a","tags":[]},"message":"up"}` + "\n",
		"b": `{"at":"2026-01-02T11:00:00Z","level":"error","source":{"host":"b","tags":null},"message":null}` + "\n",
	} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := io.WriteString(w, lines); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "events", name+".jsonl.gz"), packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.run("jsonlines")
	r.file("alarms.jsonl", `{"host":"a","since":"2026-01-02T10:00:00Z","message":"down"}`+"\n"+
		`{"host":"b","since":"2026-01-02T11:00:00Z"}`+"\n")
}

func TestRoute(t *testing.T) {
	r, pool := start(t, map[string]string{"measurements.csv": "sensor,celsius\na,20.5\nbench,21\nb,99\na,-3\n"}, "select")
	r.run("route")
	r.rows(pool, "select * from measurements", "(a,20.5) (a,-3)")
	r.file("suspect.csv", "sensor,celsius\nb,99\n")
	r.file("bench.csv", "sensor,celsius\nbench,21\n")
}

func TestSessions(t *testing.T) {
	r, _ := start(t, map[string]string{"clicks.csv": "user,at\n" +
		"ann,2026-01-02T10:00:00Z\nbob,2026-01-02T10:05:00Z\nann,2026-01-02T10:20:00Z\nann,2026-01-02T12:00:00Z\n" +
		"cat,2026-01-02T09:00:00Z\ncat,2026-01-02T09:29:00Z\ndan,2026-01-03T00:00:00Z\n"}, "select")
	r.run("sessions")
	r.file("longest.csv", "user,start,end,clicks\ncat,2026-01-02T09:00:00Z,2026-01-02T09:59:00Z,2\n"+
		"ann,2026-01-02T10:00:00Z,2026-01-02T10:50:00Z,2\nann,2026-01-02T12:00:00Z,2026-01-02T12:30:00Z,1\n"+
		"dan,2026-01-03T00:00:00Z,2026-01-03T00:30:00Z,1\n")
}

// The service answers only once 20 calls are there at the same time, so that fewer would time out.
func TestCalls(t *testing.T) {
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if waiting++; waiting == 20 {
			close(all)
		}
		mu.Unlock()
		select {
		case <-all:
		case <-r.Context().Done():
			return
		}
		name := r.URL.Query().Get("name")
		if name == "customer 7" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, len(name))
	}))
	t.Cleanup(server.Close)
	in, want := "name\n", "name,rating\n"
	for i := range 50 {
		name := fmt.Sprint("customer ", i)
		in += name + "\n"
		if i != 7 {
			want += fmt.Sprintf("%s,%d\n", name, len(name))
		}
	}
	r, _ := start(t, map[string]string{"customers.csv": in}, "select")
	if told := r.run("calls", server.URL); !strings.Contains(told, "customers.csv: line 9") {
		t.Errorf("told %q", told)
	}
	r.file("rated.csv", want)
}

func TestNightly(t *testing.T) {
	alerts := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { alerts <- r.FormValue("text") }))
	t.Cleanup(server.Close)
	t.Setenv("ALERT_URL", server.URL)
	r, pool := start(t, nil, `create table sales (shop text, sold timestamptz, amount int);
		create table daily (shop text, day date, amount bigint check (amount < 100), primary key (shop, day));
		insert into sales values ('a', '2026-01-01 12:00Z', 1), ('a', '2026-01-02 12:00Z', 2), ('b', '2026-01-02 12:00Z', 3),
			('b', '2026-01-03 12:00Z', 100)`)
	command := r.command(t.Context(), "nightly", "2026-01-02", "2026-01-04")
	var told strings.Builder
	command.Stderr = &told
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case alert := <-alerts:
		if !strings.Contains(alert, "nightly failed: ") || !strings.Contains(alert, "daily_amount_check") {
			t.Errorf("the alert says %q", alert)
		}
	case <-time.After(time.Minute):
		t.Error("no alert")
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("%v: %s", err, told.String())
	}
	r.rows(pool, "select * from daily order by day, shop", "(a,2026-01-01,1) (a,2026-01-02,2) (b,2026-01-02,3)")
	r.rows(pool, "select state, count(*) from millrace.runs group by state order by 2", "(failed,1) (succeeded,2)")
}

func TestChecked(t *testing.T) {
	r, pool := start(t, map[string]string{"sales.csv": "shop,amount\na,1\na,2\nb,3\n"},
		"create table sales (shop text, amount int); create table totals (shop text, amount bigint)")
	r.run("checked", "3")
	r.rows(pool, "select * from totals order by shop", "(a,3) (b,3)")
	if told := r.fails("checked", "4"); !strings.Contains(told, `check "all rows are there": 1 row breaks it: (loaded 3, expected 4)`) {
		t.Errorf("told %q", told)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "sales.csv"), []byte("shop,amount\na,-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if told := r.fails("checked", "1"); !strings.Contains(told, `check "no total is negative": 1 row breaks it: (shop "a", amount -1)`) {
		t.Errorf("told %q", told)
	}
	r.rows(pool, "select * from totals order by shop", "(a,3) (b,3)")
	r.rows(pool, "select count(*) from sales", "(3)")
}
