// Command sales runs the sales job: sales in stores, from a CSV file, and sales online, from a table, become totals by
// product in the table aggregated_sales.
//
//	go run ./examples/sales
//
// Without a database it starts a private Postgres, fills it, and leaves nothing behind. With -h it tells its flags.
//
// The exit status is 0 when the run succeeded, 1 when it did not (the tables are then as they were), and 2 when the
// flags are wrong. What it prints goes to standard output, progress and errors to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for the rollback
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command, with all that it knows of the process handed in.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case s.graph:
		fmt.Fprint(stdout, salesetl.New(salesetl.Config{CSV: s.csv}).Graph().Mermaid())
		return exitOK
	}
	if err := job(ctx, s, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "error: %s\n", oneLine(err))
		return exitFailed
	}
	return exitOK
}

// oneLine joins the lines of an error, of which pgx makes one for each address that it tried.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}
