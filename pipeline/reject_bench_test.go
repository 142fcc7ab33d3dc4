package pipeline_test

import (
	"context"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// sold is a record as a file of sales has it: 88 bytes.
type sold struct {
	pipeline.Origin
	Product  string
	Quantity int64
	Price    float64
	Store    string
}

// BenchmarkReject is what it costs to set a record aside, while nobody looks at it, or somebody does.
func BenchmarkReject(b *testing.B) {
	for _, c := range []struct {
		name    string
		options pipeline.Options
	}{
		{"nobody", pipeline.Options{MaxRejects: -1}},
		{"onreject", pipeline.Options{MaxRejects: -1, OnReject: func(pipeline.Reject) {}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			p := pipeline.New("bench", c.options)
			pipeline.To(pipeline.From(p, "source", emit[sold](b.N)), "sink", pipeline.SinkFunc[sold](
				func(_ context.Context, in *pipeline.Reader[sold]) error {
					for s, err := range in.All() {
						if err != nil {
							return err
						}
						if err := in.Reject(&s, pipeline.Reject{Column: "quantity", Value: "0", Reason: "is not positive"}); err != nil {
							return err
						}
					}
					return nil
				}))
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
