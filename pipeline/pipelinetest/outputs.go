package pipelinetest

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/millrace/millrace/pipeline"
)

// collector takes copies of all records.
type collector[T any] struct {
	keep  bool   // the batches too, so that the run cannot use them again
	after func() // called after each batch; may be nil

	mu      sync.Mutex
	records []T
	held    [][]T
}

func (c *collector[T]) Load(_ context.Context, in *pipeline.Reader[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.records = append(c.records, batch...)
		if c.keep {
			c.held = append(c.held, batch)
		}
		c.mu.Unlock()
		if !c.keep {
			in.Recycle(batch)
		}
		if c.after != nil {
			c.after()
		}
	}
	return nil
}

func (c *collector[T]) taken() []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records
}

// heldNow is what the kept batches hold by now.
func (c *collector[T]) heldNow() (records []T) {
	for _, batch := range c.held {
		records = append(records, batch...)
	}
	return records
}

// poisoner takes copies of all records and overwrites the batches they came in:
// whoever passed them on and still reads them gets zero values.
type poisoner[T any] struct {
	mu      sync.Mutex
	records []T
	held    [][]T
}

func (p *poisoner[T]) Load(_ context.Context, in *pipeline.Reader[T]) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.records = append(p.records, batch...)
		clear(batch)
		p.held = append(p.held, batch)
		p.mu.Unlock()
	}
	return nil
}

func (p *poisoner[T]) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.records)
}

// touched says what somebody wrote to a batch that was no longer his, if anything.
func (p *poisoner[T]) touched() string {
	var zero T
	for i, batch := range p.held {
		for k := range batch {
			if !reflect.DeepEqual(batch[k], zero) {
				return fmt.Sprintf("record %d of batch %d became %+v", k+1, i+1, batch[k])
			}
		}
	}
	return ""
}

// blocked is an output that takes nothing until the run ends.
type blocked[T any] struct{}

func (blocked[T]) Load(ctx context.Context, _ *pipeline.Reader[T]) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
