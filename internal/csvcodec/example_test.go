package csvcodec_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/millrace/millrace/internal/csvcodec"
)

type Sale struct {
	Product  string `csv:"product"`
	Quantity int    `csv:"quantity"`
}

func ExampleReader() {
	in := "product,quantity\nTea,2\nJam,abc\n\"Salt, coarse\",1\n"
	r, err := csvcodec.NewReader[Sale](strings.NewReader(in), csvcodec.ReadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := make([]Sale, 512)
	for {
		n, err := r.ReadBatch(batch)
		for _, sale := range batch[:n] {
			fmt.Printf("%d of %s\n", sale.Quantity, sale.Product)
		}
		var bad *csvcodec.Error
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &bad):
			fmt.Printf("sales.csv: %v\n", bad)
		case err != nil:
			fmt.Println(err)
			return
		}
	}
	// Output:
	// 2 of Tea
	// sales.csv: line 3: column "quantity": "abc" is not an integer
	// 1 of Salt, coarse
}

func ExampleEncoder() {
	e, err := csvcodec.NewEncoder[Sale](csvcodec.EncodeOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	out := e.AppendHeader(nil)
	for _, sale := range []Sale{{"Tea", 2}, {`Salt, "coarse"`, 1}} {
		if out, err = e.Append(out, &sale); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Print(string(out))
	// Output:
	// product,quantity
	// Tea,2
	// "Salt, ""coarse""",1
}

func ExampleSplitPoints() {
	in := "1,one\n2,\"two\nlines\"\n3,three\n"
	file := strings.NewReader(in)
	points, err := csvcodec.SplitPoints(file, file.Size(), 2, csvcodec.ScanOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, p := range points {
		end := file.Size()
		if i+1 < len(points) {
			end = points[i+1].Offset
		}
		s, err := csvcodec.NewScanner(csvcodec.NewRange(file, p.Offset, end),
			csvcodec.ScanOptions{StartOffset: p.Offset, StartLine: p.Line})
		for err == nil {
			var rec *csvcodec.Record
			if rec, err = s.Next(); err == nil {
				fmt.Printf("part %d, line %d: %q\n", i, rec.Line(), rec.Field(1))
			}
		}
	}
	// Output:
	// part 0, line 1: "one"
	// part 0, line 2: "two\nlines"
	// part 1, line 4: "three"
}
