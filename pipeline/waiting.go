package pipeline

import "slices"

// place is one input of a stage.
type place struct {
	node  *node
	input int
}

// asked is the input of a place that stands for none: somebody waits for what the stage writes, or for its end.
const asked = -1

// waits knows who can be held up by whom in a graph.
//
// A stage of a run that does not move is held up in one of four ways. It waits for the
// records of an input; for another stage's end (After; the stream of Rejects waits so
// for all that can reject); for room in an input of a stage that reads it, or for room in an input of one
// that reads the rejects. If a run stands still, somebody is held up by somebody who is held up,
// and so on round a circle. The first two ways lead against the streams, towards
// stages that were added earlier, or from the rejects to those that can reject; the other two along the streams.
//
//   - No circle leads only along the streams: they form no circle, and what reads the rejects cannot reject.
//   - No circle leads only against them: the one that could be written, After on a stage that can reject and that reaches
//     the rejects, is refused.
//   - So each circle turns somewhere: a stage that is held up for room in an input of M, while M is held
//     up against the streams. M does not wait for the records of that very input, since it is full. So M waits for After, or for
//     the other one of its two inputs.
//
// For each input of such an M waitingInputs looks for a circle that turns there, and where there is one the
// input has a backlog, in which there is always room while M waits for something else. Then no circle is
// left, whatever the batches, the speed of the stages and the sizes of the inputs are. Where there is
// none, the input is a queue like any other: two tables that are joined do not go to the disk.
//
// Lanes change nothing: those of a stage share its inputs, so that one which waits for room elsewhere, or for
// records, is held up in a way of the stage. Stages that stop reading take away ways to be held up, and add none.
type waits struct {
	readers   map[*node][]place
	rejects   *node
	rejectors map[*node]bool
}

func waitsOf(nodes []*node) *waits {
	w := &waits{}
	if !slices.ContainsFunc(nodes, func(n *node) bool { return len(n.after) > 0 || len(n.inputs) > 1 }) {
		return w // nobody waits for anything but its only input
	}
	w.readers, w.rejectors = map[*node][]place{}, map[*node]bool{}
	behind := map[*node]bool{}
	for _, n := range nodes { // those that a stage reads come before it
		if n.kind == KindRejects {
			w.rejects = n
			behind[n] = true
		}
		for i, in := range n.inputs {
			for _, o := range in.origins {
				w.readers[o.node] = append(w.readers[o.node], place{n, i})
				behind[n] = behind[n] || behind[o.node]
			}
		}
		if !behind[n] && n.kind != KindStep {
			w.rejectors[n] = true
		}
	}
	return w
}

// waitingInputs returns the inputs that need a backlog.
func (w *waits) waitingInputs(nodes []*node) map[place]bool {
	if w.readers == nil {
		return nil
	}
	found := map[place]bool{}
	for _, n := range nodes {
		if len(n.after) == 0 && len(n.inputs) < 2 {
			continue
		}
		for i := range n.inputs {
			if goal := (place{n, i}); w.turns(goal) {
				found[goal] = true
			}
		}
	}
	return found
}

// turns tells whether whoever waits for room in the input can be what its stage waits for.
func (w *waits) turns(goal place) bool {
	seen := map[place]bool{}
	next := w.against(goal, nil)
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		if at == goal {
			return true
		}
		if seen[at] || at.node == goal.node {
			continue
		}
		seen[at] = true
		next = w.against(at, next)
		next = append(next, w.readers[at.node]...)
		if w.rejects != nil && w.rejectors[at.node] {
			next = append(next, w.readers[w.rejects]...)
		}
	}
	return false
}

// against appends what a stage can be held up by against the streams while somebody
// waits for room in one of its inputs, or for itself.
func (w *waits) against(at place, next []place) []place {
	for i, in := range at.node.inputs {
		if i == at.input {
			continue
		}
		for _, o := range in.origins {
			next = append(next, place{o.node, asked})
		}
	}
	for _, o := range at.node.after {
		next = append(next, place{o, asked})
	}
	if at.node.kind == KindRejects {
		for r := range w.rejectors {
			next = append(next, place{r, asked})
		}
	}
	return next
}

// circle tells whether the stage can reject and waits, by After, for one behind the stream of rejects.
func (w *waits) circle(n *node) bool {
	if w.rejects == nil || !w.rejectors[n] {
		return false
	}
	seen := map[*node]bool{}
	next := n.after
	for len(next) > 0 {
		at := next[len(next)-1]
		next = next[: len(next)-1 : len(next)-1]
		if at == w.rejects {
			return true
		}
		if !seen[at] {
			seen[at] = true
			next = append(append(next, at.upstream()...), at.after...)
		}
	}
	return false
}
