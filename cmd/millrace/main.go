// Command millrace helps to write pipelines:
//
//	millrace struct sales.csv > main.go
//
// prints the Go program that loads the file: the struct of its records, and a source with the settings that the file
// needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/cmd/millrace/internal/structgen"
)

const about = `Helps to write pipelines of Millrace.

  millrace struct sales.csv > main.go`

const aboutStruct = `The program compiles: it has the struct of the records, with the narrowest types that hold all that was seen, pointers
where null or nothing occurs, and a source with the settings that the file needs (delimiter, encoding, header, layout of
its times). It creates its table in the database of DATABASE_URL. What was left in doubt stands in comments, and on
standard error.

  millrace struct sales.csv
  millrace struct events.jsonl.gz --rows 100000
  millrace struct https://example.org/sales.csv
  millrace struct public.orders                      # a table of DATABASE_URL
  millrace struct postgres://me@localhost/shop --table orders`

type commands struct {
	Struct structCommand `cmd:"" help:"Print the Go program that loads a file, or copies a table."`
}

type structCommand struct {
	What     string `arg:"" optional:"" name:"file|table|url" help:"A file of CSV or JSON lines, packed or not, on the disk or at an http(s) URL; a table; or a postgres URL, with --table."`
	Table    string `placeholder:"NAME" help:"A table or view, as table or schema.table, of the postgres URL or of DATABASE_URL."`
	Rows     int    `placeholder:"N" help:"Look at the first N records of a file. Without it all are looked at."`
	Encoding string `placeholder:"NAME" help:"The encoding of a file's text, such as windows-1252. Without it: UTF-8, UTF-16, or a guess."`
	Header   string `enum:"auto,yes,no" default:"auto" help:"Whether the first line of a CSV file names its columns: yes, no, or auto, by its looks."`
}

// Help is what stands above the flags.
func (*structCommand) Help() string { return aboutStruct }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0, 1 for an error, 2 for a command line that cannot be understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c commands
	code := -1
	parser, err := kong.New(&c, kong.Name("millrace"), kong.Description(about), kong.Writers(stdout, stderr),
		kong.Exit(func(n int) { code = n }), kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 100}))
	if err != nil {
		fmt.Fprintln(stderr, "millrace:", err)
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	_, err = parser.Parse(args)
	if code >= 0 { // help was asked for
		return code
	}
	if err != nil {
		fmt.Fprintf(stderr, "millrace: %v (millrace struct --help explains)\n", err)
		return 2
	}
	if err := c.Struct.print(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "millrace:", err)
		return 1
	}
	return 0
}

func (c *structCommand) print(ctx context.Context, stdout, stderr io.Writer) error {
	p, err := c.program(ctx)
	if err != nil {
		return err
	}
	text, err := p.Source()
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		fmt.Fprintln(stderr, "millrace:", w)
	}
	_, err = stdout.Write(text)
	return err
}

func (c *structCommand) program(ctx context.Context) (*structgen.Program, error) {
	database := os.Getenv("DATABASE_URL")
	switch {
	case strings.HasPrefix(c.What, "postgres://") || strings.HasPrefix(c.What, "postgresql://"):
		if c.Table == "" {
			return nil, errors.New("which table? Name it by --table")
		}
		return c.table(ctx, c.What, c.Table)
	case c.What == "" && c.Table == "":
		return nil, errors.New("a file, a table or a URL is needed")
	case c.What != "" && c.Table != "":
		return nil, errors.New("--table goes with a postgres URL or with DATABASE_URL, not with a file")
	case c.Table != "" && database == "":
		return nil, errors.New("set DATABASE_URL to the table's database, or put its postgres URL before --table")
	case c.Table != "":
		return c.table(ctx, database, c.Table)
	case c.Rows < 0:
		return nil, fmt.Errorf("--rows is %d: it cannot be negative", c.Rows)
	}
	p, err := structgen.File(ctx, c.What, structgen.Options{Rows: c.Rows, Encoding: c.Encoding, Header: c.Header})
	if !errors.Is(err, fs.ErrNotExist) || structgen.IsURL(c.What) || strings.ContainsAny(c.What, `/\`) {
		return p, err
	}
	if database == "" {
		return nil, fmt.Errorf("%w; for a table of that name set DATABASE_URL", err)
	}
	p, tableErr := c.table(ctx, database, c.What)
	if tableErr != nil {
		return nil, fmt.Errorf("neither a file nor a table: %w; %w", err, tableErr)
	}
	return p, nil
}

func (c *structCommand) table(ctx context.Context, database, table string) (*structgen.Program, error) {
	if c.Rows != 0 || c.Encoding != "" || c.Header != "auto" {
		return nil, errors.New("--rows, --encoding and --header are for files: of a table the catalog is read")
	}
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return nil, errors.New("the database's URL cannot be understood") // err may repeat the password
	}
	defer pool.Close()
	return structgen.Table(ctx, pool, table)
}
