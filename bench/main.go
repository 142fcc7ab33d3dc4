package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/millrace/millrace/internal/devdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	work := run
	if os.Getenv(childURL) != "" {
		work = child
	}
	err := work(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rows := flag.Int("rows", 2_000_000, "rows of the data")
	rounds := flag.Int("rounds", 5, "rounds that count; one more warms up")
	only := flag.String("only", "", "run only the comparisons whose name this regular expression matches")
	without := flag.String("without", "^$", "pass over the peers whose name this regular expression matches")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	unwanted, err := regexp.Compile(*without)
	if err != nil {
		return fmt.Errorf("-without: %w", err)
	}
	if *rows < 1 || *rounds < 1 {
		return fmt.Errorf("-rows and -rounds count from 1")
	}

	server, err := devdb.Start(ctx, devdb.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer server.Close()
	db, err := server.NewDatabase(ctx)
	if err != nil {
		return err
	}
	w, err := newWorkshop(ctx, *rows, db.URL)
	if err != nil {
		return err
	}
	defer w.close()

	var served *web
	defer func() {
		if served != nil {
			served.close()
		}
	}()
	comparisons := []func() (comparison, error){
		func() (comparison, error) { return w.csvToStructs(), nil },
		func() (comparison, error) { return w.csvToSums(), nil },
		func() (comparison, error) { return w.jsonToStructs(), w.writeJSON(ctx) },
		func() (comparison, error) { return w.jsonToSums(), w.writeJSON(ctx) },
		w.join,
		func() (comparison, error) { return w.csvToTable(), nil },
		func() (comparison, error) { return w.tableToCSV(1), w.fillStored(ctx) },
		func() (comparison, error) { return w.tableToCSV(4), w.fillStored(ctx) },
		func() (comparison, error) { return w.tableToStructs(1), w.fillStored(ctx) },
		func() (comparison, error) { return w.tableToStructs(4), w.fillStored(ctx) },
		func() (comparison, error) { return w.salesJob(ctx) },
		func() (c comparison, err error) { c, served, err = w.web(ctx); return c, err },
	}
	names := []string{"csv to structs", "csv to sums", "json to structs", "json to sums", "join", "csv to table", "table to csv", "table to csv in lanes", "table to structs", "table to structs in lanes", "sales", "web"}
	var result []row
	for i, make := range comparisons {
		if !wanted.MatchString(names[i]) {
			continue
		}
		c, err := make()
		if err == nil {
			c.sides = slices.DeleteFunc(c.sides, func(s side) bool { return unwanted.MatchString(s.name) })
		}
		var more []row
		if err == nil {
			more, err = compare(ctx, c, *rounds, os.Stderr)
		}
		if err != nil {
			show(os.Stdout, result, *rows) // what there is
			return err
		}
		result = append(result, more...)
		memory = nil // what one comparison keeps must not cost the next one's garbage collector
	}
	fmt.Printf("%d rows, %d rounds, %s, %d processors, %s, %s\n\n", *rows, *rounds, time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.Version(), server.How())
	show(os.Stdout, result, *rows)
	if wanted.MatchString("memory") {
		if err := w.peaks(ctx); err != nil {
			return err
		}
	}
	for _, r := range result {
		if served == nil || r.peer != flaskKeeps {
			continue
		}
		rate := 0.5 / r.ours.Seconds()
		p99, err := served.latency(ctx, rate)
		if err != nil {
			return err
		}
		fmt.Printf("GET /api/data at %.0f a second, half of the peak: p99 %v\n", rate, p99.Round(10*time.Microsecond))
	}
	return nil
}
