package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// datasetProblems finds sources that would read something as it was before the run where
// the graph says that they come after it, and sources that the run itself would lock out. Stages
// in failed have no say.
func (p *Pipeline) datasetProblems(ctx context.Context, nodes []*node, failed map[*node]bool) (problems []error) {
	add := func(n *node, err error) {
		problems = append(problems, &StageError{Pipeline: p.name, Stage: n.name, Err: err})
	}
	type key struct{ namespace, name string }
	type access struct {
		Dataset
		node *node
	}
	var reads []access
	writers := map[key][]access{}
	for _, sinks := range []bool{true, false} {
		for _, n := range nodes {
			d, ok := n.value.(Datasetter)
			if !ok || failed[n] || sinks != (n.kind == KindSink) {
				continue
			}
			var all []Dataset
			err := protect(func() (err error) {
				all, err = d.Datasets(ctx)
				return err
			})
			if err != nil {
				add(n, err)
			}
			for _, d := range all {
				if k := (key{d.Namespace, d.Name}); d.Writes {
					writers[k] = append(writers[k], access{d, n})
				} else {
					reads = append(reads, access{d, n})
				}
			}
		}
	}
	for _, n := range nodes {
		if i := slices.IndexFunc(reads, func(r access) bool { return r.node == n && r.InRun }); i >= 0 {
			if n.lanes > 1 {
				add(n, Permanent(errors.New("reads in the run's own transaction, which is one connection, and so in one lane; leave Parallel out")))
			}
			if !slices.ContainsFunc(nodes, func(m *node) bool { return m.kind == KindSink && shareClaim(n, m) }) {
				add(n, Permanent(fmt.Errorf("reads %s in the run's own transaction, in which no sink of the run writes; leave InRun out, or give both the same Pool", reads[i].Name)))
			}
		}
	}
	told := map[[2]*node]bool{}
	for _, r := range reads {
		if r.InRun {
			continue
		}
		for _, w := range writers[key{r.Namespace, r.Name}] {
			if told[[2]*node{r.node, w.node}] {
				continue // one of its partitions is enough
			}
			switch {
			case waitsFor(r.node, w.node, map[*node]bool{}):
				add(r.node, Permanent(fmt.Errorf("waits for %q, which writes %s, and would read it as it was before the run, since what a run writes is seen by others only after its commit; "+
					"read it in the run's own transaction (InRun of sources.Postgres), or in a run of its own", w.node.name, r.Name)))
			case w.Empties:
				add(r.node, Permanent(fmt.Errorf("reads %s, which %q empties in a way that lets nobody else read it: the two would wait for each other; "+
					"use Replace, which lets readers read on", r.Name, w.node.name)))
			default:
				continue
			}
			told[[2]*node{r.node, w.node}] = true
		}
	}
	return problems
}

// shareClaim tells whether two stages of a run hold one and the same resource.
func shareClaim(a, b *node) bool {
	claims := func(n *node) []Claim {
		if c, ok := n.value.(Claimer); ok {
			return c.Claims()
		}
		return nil
	}
	return slices.ContainsFunc(claims(a), func(c Claim) bool {
		return c.Shared && slices.ContainsFunc(claims(b), func(d Claim) bool { return d.Shared && d.Key == c.Key })
	})
}

// waitsFor tells whether a stage begins only after another one has ended, directly or not.
func waitsFor(n, other *node, seen map[*node]bool) bool {
	for _, m := range append(n.upstream(), n.after...) {
		if m == other {
			return true
		}
		if !seen[m] {
			seen[m] = true
			if waitsFor(m, other, seen) {
				return true
			}
		}
	}
	return false
}
