package proof

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/millrace/millrace/internal/devdb"
)

// network is a proxy before a database.
type network struct {
	proxy *toxiproxy.Proxy
	url   string // through the proxy
}

func newNetwork(t *testing.T, database string) *network {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	silent := zerolog.Nop()
	proxy := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), silent), "db", "127.0.0.1:0", u.Host)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	u.Host = proxy.Listen
	return &network{proxy: proxy, url: u.String()}
}

// toxic adds a fault to all connections, those to come included.
func (n *network) toxic(t *testing.T, kind, stream string, attributes string) {
	t.Helper()
	_, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
		`{"name":"fault","type":%q,"stream":%q,"toxicity":1,"attributes":{%s}}`, kind, stream, attributes)))
	if err != nil {
		t.Fatal(err)
	}
}

func (n *network) heal() { n.proxy.Toxics.ResetToxics(context.Background()) }

// fault is one way in which a network fails.
type fault struct {
	name string
	// begin breaks it; bytes is how much a whole run sends to the client.
	begin func(t *testing.T, n *network, a *arena)
	// lasts is how long the fault stays after it began.
	lasts time.Duration
}

func faults() []fault {
	toxic := func(kind, stream, attributes string) func(*testing.T, *network, *arena) {
		return func(t *testing.T, n *network, _ *arena) { n.toxic(t, kind, stream, attributes) }
	}
	return []fault{
		{"resets", toxic("reset_peer", "downstream", `"timeout":0`), 50 * time.Millisecond},
		{"cuts what the client sends, without a word", toxic("timeout", "upstream", `"timeout":100`), 150 * time.Millisecond},
		{"cuts what the server answers, without a word", toxic("timeout", "downstream", `"timeout":100`), 150 * time.Millisecond},
		{"delays", toxic("latency", "downstream", `"latency":30,"jitter":20`), 400 * time.Millisecond},
		{"trickles", toxic("bandwidth", "upstream", `"rate":200`), 400 * time.Millisecond},
		{"slices", toxic("slicer", "downstream", `"average_size":7,"size_variation":5,"delay":10`), 300 * time.Millisecond},
		{"cuts after some bytes of the answers", func(t *testing.T, n *network, a *arena) {
			n.toxic(t, "limit_data", "downstream", fmt.Sprintf(`"bytes":%d`, a.random.IntN(6000)))
		}, 300 * time.Millisecond},
	}
}

// TestANetworkThatFailsAtAnyInstant breaks the network under runs that retry.
func TestANetworkThatFailsAtAnyInstant(t *testing.T) {
	for _, s := range some(1, 3) {
		t.Run(s.name, func(t *testing.T) {
			database := devdb.TestURL(t)
			a := newArena(t, s, database)
			n := newNetwork(t, database)
			pool, err := pgxpool.New(t.Context(), n.url)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var takes time.Duration
			retried := 0
			all := faults()
			wanted := amount(2, 3*len(all))
			for run := 1; run <= wanted+1; run++ {
				if err := s.prepare(t.Context(), a.pool, run); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				e := s.pipelineOf(pool, a.dir, runName(run), 1, quickRetry).Start(t.Context())
				f := fault{name: "nothing"}
				if run > 1 {
					f = all[(run-2+a.random.IntN(len(all)))%len(all)]
					if full() {
						f = all[(run-2)%len(all)]
					}
					pause(t.Context(), a.moment(takes))
					f.begin(t, n, a)
					pause(t.Context(), f.lasts)
					n.heal()
				}
				rep, err := e.Wait()
				if err != nil {
					t.Fatalf("run %d, after %d attempts with a network that %s: %v", run, rep.Attempt, f.name, err)
				}
				if run == 1 {
					takes = time.Since(began)
				}
				if rep.Attempt > 1 {
					retried++
				}
				if committed, err := a.check(t.Context(), run-1); err != nil || committed != run {
					t.Fatalf("run %d, a network that %s: %d runs committed, error %v", run, f.name, committed, err)
				}
				if took := time.Since(began); took > 90*time.Second {
					t.Errorf("run %d, a network that %s: it took %v", run, f.name, took)
				}
				a.checkFile()
			}
			a.noLeftovers()
			t.Logf("%d faults, %d runs took more than one attempt", wanted, retried)
		})
	}
}
