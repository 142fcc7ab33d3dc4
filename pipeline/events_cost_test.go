package pipeline

import (
	"context"
	"testing"
)

func TestAnEventThatNobodyTakesCostsNothing(t *testing.T) {
	p := New("p", Options{})
	run := Run{Pipeline: "p", ID: "x"}
	if n := testing.AllocsPerRun(1000, func() { p.event(run, Event{Kind: EventReject, Reject: Reject{Reason: "bad"}}) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// BenchmarkEvents runs a pipeline of the form of the sales job (two sources, one of them a tee, a merge, totals, two
// sinks) over as many records, with and without OnEvent. What events add is less than how much two such runs differ;
// a step that does nothing shows it: "step/set" less "step/nil", of a run that takes milliseconds.
func BenchmarkEvents(b *testing.B) {
	type sale struct {
		Product  string
		Quantity int64
		Price    float64
	}
	products := [...]string{"tea", "coffee", "milk", "bread", "salt", "sugar", "rice"}
	source := func(n int) SourceFunc[sale] {
		return func(_ context.Context, out *Writer[sale]) error {
			for i := range n {
				if err := out.Write(sale{products[i%len(products)], int64(i), 2.5}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	totals := TransformFunc[sale, sale](func(_ context.Context, in *Reader[sale], out *Writer[sale]) error {
		byProduct := map[string]sale{}
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			for i := range batch {
				sum := byProduct[batch[i].Product]
				sum.Product, sum.Quantity, sum.Price = batch[i].Product, sum.Quantity+batch[i].Quantity, sum.Price+batch[i].Price
				byProduct[batch[i].Product] = sum
			}
			in.Recycle(batch)
		}
		for _, sum := range byProduct {
			if err := out.Write(sum); err != nil {
				return err
			}
		}
		return nil
	})
	drain := SinkFunc[sale](func(_ context.Context, in *Reader[sale]) error {
		for batch, err := range in.Batches() {
			if err != nil {
				return err
			}
			in.Recycle(batch)
		}
		return nil
	})
	sales := func(b *testing.B, o Options) {
		b.ReportAllocs()
		p := New("sales", o)
		inStore := From(p, "in_store", source(7100))
		online := From(p, "online", source(7100))
		To(inStore, "load_in_store", drain)
		To(Via(Merge(inStore, online), "totals", totals), "load", drain)
		for b.Loop() {
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("nil", func(b *testing.B) { sales(b, Options{}) })
	b.Run("set", func(b *testing.B) {
		events := make(chan struct{}, 1) // counts without a lock of its own
		events <- struct{}{}
		n := 0
		sales(b, Options{OnEvent: func(Event) { <-events; n++; events <- struct{}{} }})
		b.ReportMetric(float64(n)/float64(b.N), "events/run")
	})
	step := func(b *testing.B, o Options) {
		b.ReportAllocs()
		p := New("p", o)
		Do(p, "nothing", func(context.Context) error { return nil })
		for b.Loop() {
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("step/nil", func(b *testing.B) { step(b, Options{}) })
	b.Run("step/set", func(b *testing.B) { step(b, Options{OnEvent: func(Event) {}}) })
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		p := New("p", Options{OnEvent: func(Event) {}})
		run := Run{Pipeline: "p", ID: "x"}
		for b.Loop() {
			p.event(run, Event{Kind: EventStageStarted, Stage: "s"})
		}
	})
}
