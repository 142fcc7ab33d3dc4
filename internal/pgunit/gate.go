package pgunit

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// gates are where runs of this process wait for each other before they take a connection.
var gates = struct {
	sync.Mutex
	open map[gateKey]*gate
}{open: map[gateKey]*gate{}}

type gateKey struct {
	pool  *pgxpool.Pool
	table string // as it is named; two names of one table are told apart by the server only
}

// gate lets several in that share it, or one alone, in the order of their coming.
type gate struct {
	inside  []*ticket
	waiting []*ticket
}

type ticket struct {
	run    string // with a ledger: whose later attempt ends the session of this one
	shared bool
	ready  chan struct{} // closed when it is inside
}

// pass goes through the gates of the targets, in the order of their names; the function it returns leaves them.
func pass(ctx context.Context, pool *pgxpool.Pool, targets []Target) (leave func(), err error) {
	shared := map[string]bool{}
	var names []string
	for _, t := range targets {
		name := t.Table.Sanitize()
		s, there := shared[name]
		if !there {
			names = append(names, name)
		}
		shared[name] = t.Shared && (s || !there)
	}
	slices.Sort(names)
	var run string
	if r, ok := pipeline.RunFrom(ctx); ok && pipeline.StateFrom(ctx) != nil {
		run = r.Pipeline + "\x00" + r.ID
	}
	passed := map[gateKey]*ticket{}
	var once sync.Once
	leave = func() {
		once.Do(func() {
			gates.Lock()
			defer gates.Unlock()
			for k, t := range passed {
				k.leave(t)
			}
		})
	}
	for _, name := range names {
		key := gateKey{pool, name}
		t, err := key.enter(ctx, run, shared[name])
		if err != nil {
			leave()
			return nil, err
		}
		passed[key] = t
	}
	return leave, nil
}

func (k gateKey) enter(ctx context.Context, run string, shared bool) (*ticket, error) {
	t := &ticket{run: run, shared: shared, ready: make(chan struct{})}
	gates.Lock()
	g := gates.open[k]
	if g == nil {
		g = &gate{}
		gates.open[k] = g
	}
	if run != "" && slices.ContainsFunc(g.inside, func(o *ticket) bool { return o.run == run }) {
		// An earlier attempt, which may be stuck: the server is asked to end its session once this one has begun.
		g.inside = append(g.inside, t)
		gates.Unlock()
		return t, nil
	}
	g.waiting = append(g.waiting, t)
	g.admit()
	gates.Unlock()
	select {
	case <-t.ready:
		return t, nil
	case <-ctx.Done():
	}
	gates.Lock()
	defer gates.Unlock()
	if i := slices.Index(g.waiting, t); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.admit() // those behind it may have waited for it only
	} else {
		k.leave(t)
	}
	return nil, context.Cause(ctx)
}

// admit lets in whoever may come in. Called with the lock held.
func (g *gate) admit() {
	for len(g.waiting) > 0 {
		next := g.waiting[0]
		if slices.ContainsFunc(g.inside, func(o *ticket) bool { return !o.shared || !next.shared }) {
			return
		}
		g.inside = append(g.inside, next)
		g.waiting = g.waiting[1:]
		close(next.ready)
	}
}

// leave goes out again. Called with the lock held.
func (k gateKey) leave(t *ticket) {
	g := gates.open[k]
	g.inside = slices.DeleteFunc(g.inside, func(o *ticket) bool { return o == t })
	g.admit()
	if len(g.inside) == 0 {
		delete(gates.open, k)
	}
}
