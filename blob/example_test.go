package blob_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/blob"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

type Sale struct {
	Product string `csv:"product"`
	Pieces  int    `csv:"pieces"`
}

// The sales of each day lie in a bucket, and so will their total.
func ExampleStore() {
	ctx := context.Background()
	bucket, err := blob.Open(ctx, "mem://") // or s3://shop?region=eu-central-1, gs://shop, azblob://shop
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bucket.Bucket.Close()
	for day, text := range map[string]string{
		"sales/2026-11-01.csv": "product,pieces\nMug,1\nTea,2\n",
		"sales/2026-11-02.csv": "product,pieces\nMug,3\n",
	} {
		if err := bucket.Bucket.WriteAll(ctx, day, []byte(text), nil); err != nil {
			fmt.Println(err)
			return
		}
	}

	p := pipeline.New("totals", pipeline.Options{})
	sales := pipeline.From(p, "extract", sources.CSV[Sale]{Store: bucket, Path: "sales/*.csv"})
	totals := pipeline.Via(sales, "total", transforms.GroupBy[Sale, string, Sale]{
		Key:  func(s *Sale) string { return s.Product },
		New:  func(product string) Sale { return Sale{Product: product} },
		Fold: func(total, s *Sale) error { total.Pieces += s.Pieces; return nil },
	})
	pipeline.To(totals, "write", sinks.CSV[Sale]{Store: bucket, Path: "totals.csv"})
	if _, err := p.Run(ctx); err != nil {
		fmt.Println(err)
		return
	}
	text, err := bucket.Bucket.ReadAll(ctx, "totals.csv")
	fmt.Print(string(text), err)
	// Output:
	// product,pieces
	// Mug,4
	// Tea,2
	// <nil>
}
