package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/millrace/millrace/pipeline"
)

func main() {
	over := flag.Int64("over", 0, "list files of more than so many `BYTES`")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: customstage [-over BYTES] FOLDER PAGE.md")
		os.Exit(2)
	}
	report, err := list(context.Background(), flag.Arg(0), *over, flag.Arg(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d of %d files\n", report.Stage("write").RecordsIn, report.Stage("walk").RecordsOut)
}

func list(ctx context.Context, folder string, over int64, page string) (pipeline.Report, error) {
	p := pipeline.New("large_files", pipeline.Options{})
	files := pipeline.From(p, "walk", Folder{os.DirFS(folder)})
	large := pipeline.Via(files, "choose", LargerThan(over))
	pipeline.To(large, "write", Markdown{page})
	return p.Run(ctx)
}
