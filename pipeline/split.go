package pipeline

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
)

// Split divides a stream into n: each record goes to the one whose index, from 0, choose returns for it.
// choose gets a pointer only to save a copy: it must not change the record or keep the
// pointer. An index out of range fails the run, which is not retried. Each stream must be read, by a
// stage, a sink or a [Merge]; see [Partition] for two of them.
func Split[T any](in Stream[T], name string, n int, choose func(record *T) int, options ...StageOption) []Stream[T] {
	ports := make([]string, max(n, 0))
	for i := range ports {
		ports[i] = strconv.Itoa(i)
	}
	streams := divide(in, name, ports, splitter[T](choose), options)
	if in.p.must("Split", name); n < 1 {
		in.p.problem(name, "Split into %d streams: say at least 1", n)
	}
	return streams
}

// Partition divides a stream into two: the records for which test returns true, and the
// others. test gets a pointer only to save a copy: it must not change the record or
// keep the pointer. Both streams must be read; see transforms.Filter to drop the others.
func Partition[T any](in Stream[T], name string, test func(record *T) bool, options ...StageOption) (yes, no Stream[T]) {
	choose := func(record *T) int {
		if test(record) {
			return 0
		}
		return 1
	}
	if test == nil {
		choose = nil
	}
	streams := divide(in, name, []string{"yes", "no"}, splitter[T](choose), options)
	return streams[0], streams[1]
}

// splitter is what stands in the graph for the stage.
type splitter[T any] func(*T) int

func divide[T any](in Stream[T], name string, ports []string, choose splitter[T], options []StageOption) []Stream[T] {
	n := &node{
		name: name, kind: KindTransform, value: choose,
		inputs: []input{inputOf("", in)}, ports: ports,
	}
	if len(ports) > 0 {
		n.record = reflect.TypeFor[T]()
	}
	n.work = func(_ context.Context, r *nodeRun) error {
		return r.lanesOf(r.node.lanes, func(_ int, stats *laneStats) error {
			outs := make([]*Writer[T], len(ports))
			for port := range outs {
				if port > 0 {
					stats := r.addStats(0, port)
					outs[port] = newWriter[T](r, port, stats)
					continue
				}
				outs[port] = newWriter[T](r, port, stats)
			}
			err := choose.split(newReader[T](r, 0, stats), outs)
			for _, out := range outs {
				err = out.end(err)
			}
			return err
		})
	}
	in.p.must("Split", name).add(n, options)
	streams := make([]Stream[T], len(ports))
	for port := range streams {
		streams[port] = Stream[T]{p: in.p, origins: []origin{{node: n, port: port}}}
	}
	return streams
}

func (choose splitter[T]) split(in *Reader[T], outs []*Writer[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			port := choose(&batch[i])
			if uint(port) >= uint(len(outs)) {
				return Permanent(fmt.Errorf("index %d is out of range: it splits into %d streams, which count from 0", port, len(outs)))
			}
			if err := outs[port].put(&batch[i]); err != nil {
				return err
			}
		}
		in.Recycle(batch)
		if in.idle() { // a record for a stream that gets few must not lie still until there are more
			for _, out := range outs {
				if err := out.Flush(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
