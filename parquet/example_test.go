package parquet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/millrace/millrace/parquet"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// Sale is a row of the file.
type Sale struct {
	Product string    `parquet:"product"`
	Cents   int64     `parquet:"price,decimal(2:12)"`
	Sold    time.Time `parquet:"sold,timestamp(microsecond)"`
	Remark  *string   `parquet:"remark"`
}

// Price is what somebody else wants of it: the other columns are not read.
type Price struct {
	Product string `parquet:"product" csv:"product"`
	Cents   int64  `parquet:"price,decimal(2:12)" csv:"cents"`
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sales.parquet")

	write := pipeline.New("write", pipeline.Options{})
	sales := pipeline.From(write, "sales", sources.Slice[Sale]{{"pen", 120, time.Unix(0, 0), nil}, {"ink", 450, time.Unix(60, 0), nil}})
	pipeline.To(sales, "file", parquet.Sink[Sale]{Path: path})
	if _, err := write.Run(context.Background()); err != nil {
		fmt.Println(err)
	}

	read := pipeline.New("read", pipeline.Options{})
	prices := pipeline.From(read, "file", parquet.Source[Price]{Path: path})
	pipeline.To(prices, "print", sinks.CSV[Price]{Path: "-"})
	if _, err := read.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// product,cents
	// pen,120
	// ink,450
}
