// Command struct prints the Go struct for a Parquet file, with the tags that parquet.Source takes:
//
//	go run github.com/millrace/millrace/parquet/struct sales.parquet
//
// A column that may be NULL becomes a pointer, whether or not one is.
package main

import (
	"fmt"
	"os"

	pq "github.com/parquet-go/parquet-go"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: struct FILE.parquet")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "struct:", err)
		os.Exit(1)
	}
}

func run(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil { // the library's way with some damaged files
			err = fmt.Errorf("%s: it is no Parquet file, or damaged: %v", path, p)
		}
	}()
	file, err := pq.OpenFile(f, info.Size(), pq.SkipPageIndex(true), pq.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%s: it is no Parquet file, or damaged: %w", path, err)
	}
	text, err := program(file.Schema(), path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	_, err = os.Stdout.Write(text)
	return err
}
