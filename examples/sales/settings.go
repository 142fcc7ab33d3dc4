package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// settings are what the flags and the environment say.
type settings struct {
	databaseURL string // empty: a private server
	csv         string // empty: the bundled file
	rows        int    // of each side, made up; 0: the bundled data
	init        bool
	json        bool
	graph       bool
	progress    progressMode
}

const usage = `Usage: sales [flags]

Sums up sales in stores (a CSV file) and online (table online_sales) by product, in table aggregated_sales.
Without a database it starts a private Postgres, fills it, and leaves nothing behind.

`

// parse reads the flags. What is wrong with them has been written to stderr when it returns an error.
func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{progress: progressAuto}
	flags := flag.NewFlagSet("sales", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	// The environment's value is not the flag's default: -h would print the password in it.
	flags.StringVar(&s.databaseURL, "database-url", "", "`URL` of the database (default $DATABASE_URL; without either, a private Postgres)")
	flags.StringVar(&s.csv, "csv", "", "`PATH` of the sales in stores (default the bundled file)")
	flags.IntVar(&s.rows, "rows", 0, "make up `N` rows for each side instead of the bundled data")
	flags.BoolVar(&s.init, "init", false, "create the tables that are not there and fill online_sales, replacing what is in it (implied for a private database)")
	flags.BoolVar(&s.json, "json", false, "print the report as JSON and nothing else")
	flags.BoolVar(&s.graph, "graph", false, "print the graph in Mermaid's language and exit")
	flags.Var(&s.progress, "progress", "`MODE` of the progress on standard error: auto (a line for each stage on a terminal, otherwise now and then a plain line), on (a line for each stage always), or off")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if s.databaseURL == "" {
		s.databaseURL = os.Getenv("DATABASE_URL")
	}
	if err := s.check(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "%v\nsales -h tells the flags\n", err)
		return s, err
	}
	return s, nil
}

// check finds flags that do not go together.
func (s settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("what is %q? There are only flags", rest[0])
	case s.rows < 0:
		return fmt.Errorf("-rows is %d: it cannot be negative", s.rows)
	case s.rows > 0 && s.csv != "":
		return errors.New("-rows and -csv exclude each other: the rows are made up, or they are in the file")
	case s.rows > 0 && !s.init && s.databaseURL != "":
		return errors.New("-rows replaces what is in online_sales: with a database of your own it needs -init")
	}
	return nil
}

// prepare tells whether the tables are to be created and filled.
func (s settings) prepare() bool { return s.init || s.databaseURL == "" }
