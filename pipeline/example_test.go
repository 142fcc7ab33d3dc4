package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/pipeline"
)

type Sale struct {
	Product  string
	Quantity int
}

// A source, a transform and a sink are one method each; functions will do.
func Example() {
	p := pipeline.New("sales", pipeline.Options{})

	sales := pipeline.From(p, "extract", pipeline.SourceFunc[Sale](func(_ context.Context, out *pipeline.Writer[Sale]) error {
		for _, s := range []Sale{{"tea", 2}, {"coffee", 1}, {"tea", 3}} {
			if err := out.Write(s); err != nil {
				return err
			}
		}
		return nil
	}))

	totals := pipeline.Via(sales, "total", pipeline.TransformFunc[Sale, Sale](func(_ context.Context, in *pipeline.Reader[Sale], out *pipeline.Writer[Sale]) error {
		var total Sale
		for s, err := range in.All() {
			if err != nil {
				return err
			}
			total.Product = "all"
			total.Quantity += s.Quantity
		}
		return out.Write(total) // the code after the loop is the end of the stream
	}))

	pipeline.To(totals, "print", pipeline.SinkFunc[Sale](func(_ context.Context, in *pipeline.Reader[Sale]) error {
		for s, err := range in.All() {
			if err != nil {
				return err
			}
			fmt.Println(s.Product, s.Quantity)
		}
		return nil
	}))

	report, err := p.Run(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.State, report.Stage("extract").RecordsOut, "records")
	// Output:
	// all 6
	// succeeded 3 records
}

func ExampleMerge() {
	p := pipeline.New("merge", pipeline.Options{})
	a := pipeline.From(p, "a", numbers(3))
	b := pipeline.From(p, "b", numbers(4))
	pipeline.To(pipeline.Merge(a, b), "count", count("a and b"))
	run(p)
	// Output: a and b: 7
}

func ExampleDo() {
	p := pipeline.New("steps", pipeline.Options{})
	load := pipeline.To(pipeline.From(p, "numbers", numbers(3)), "load", count("loaded"))
	pipeline.Do(p, "analyze", func(context.Context) error {
		fmt.Println("then this")
		return nil
	}, pipeline.After(load))
	run(p)
	// Output:
	// loaded: 3
	// then this
}

func ExampleRejects() {
	p := pipeline.New("rejects", pipeline.Options{MaxRejects: 10})
	good := pipeline.Via(pipeline.From(p, "numbers", numbers(20)), "check", picky(everyTenth))
	pipeline.To(good, "load", count("loaded"))
	pipeline.To(pipeline.Rejects(p), "keep", pipeline.SinkFunc[pipeline.Reject](func(_ context.Context, in *pipeline.Reader[pipeline.Reject]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			defer fmt.Println(r)
		}
		return nil
	}))
	report, err := p.Run(context.Background())
	fmt.Println(report.Rejects, err)
	// Unordered output:
	// loaded: 18
	// sales.csv: line 17: column "quantity": "abc" is not an integer
	// sales.csv: line 7: column "quantity": "abc" is not an integer
	// 2 <nil>
}

func ExamplePipeline_Start() {
	p := pipeline.New("slow", pipeline.Options{})
	pipeline.Do(p, "wait", func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	})
	execution := p.Start(context.Background())
	for execution.Progress().State != pipeline.StateRunning {
		time.Sleep(time.Millisecond)
	}
	execution.Cancel(errors.New("by alice, who saw the wrong file"))
	_, err := execution.Wait()
	fmt.Println(err)
	// Output: slow: cancelled: by alice, who saw the wrong file; everything was rolled back
}

func ExampleGraph_Mermaid() {
	p := pipeline.New("sales", pipeline.Options{})
	sales := pipeline.From(p, "extract", numbers(1))
	pipeline.To(sales, "load", count("loaded"))
	fmt.Print(p.Graph().Mermaid())
	// Output:
	// flowchart LR
	//     n1(["extract"])
	//     n2[("load")]
	//     n1 --> n2
}

// count is a sink that prints how many records it got.
func count(what string) pipeline.Sink[int] {
	return pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		n := 0
		for _, err := range in.All() {
			if err != nil {
				return err
			}
			n++
		}
		fmt.Printf("%s: %d\n", what, n)
		return nil
	})
}

func run(p *pipeline.Pipeline) {
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
}
