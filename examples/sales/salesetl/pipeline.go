package salesetl

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Name is the pipeline's name.
const Name = "sde_gul_etl"

// Config says what a pipeline of New reads and where it writes.
type Config struct {
	// Pool is the database of the three tables. A run holds two of its connections.
	Pool *pgxpool.Pool

	// CSV is the path of the sales in stores. Defaults to the bundled file.
	CSV string

	// Options are the runner's.
	Options pipeline.Options
}

// New returns the sales pipeline. It does no I/O, so that it can be called for the picture of its graph alone; what is
// missing in the config is an error of the run, before any data moves.
func New(c Config) *pipeline.Pipeline {
	p := pipeline.New(Name, c.Options)

	inStore := pipeline.From(p, "extract_csv", newInStoreFile(c.CSV))
	pipeline.To(inStore, "load_in_store", sinks.Postgres[Sale]{Pool: c.Pool, Table: InStoreTable, Mode: sinks.Replace})
	lines := pipeline.Via(inStore, "lines", transforms.Map(toLine))
	online := pipeline.From(p, "extract_postgres", sources.Postgres[Line]{Pool: c.Pool, Table: OnlineTable})
	totals := pipeline.Via(pipeline.Merge(lines, online), "transform", byProduct())
	pipeline.To(totals, "load", sinks.Postgres[Total]{Pool: c.Pool, Table: TotalsTable, Mode: sinks.Replace})
	return p
}

// byProduct sums up quantity and revenue of each product.
func byProduct() pipeline.Transform[Line, Total] {
	return transforms.GroupBy[Line, string, Total]{
		Key:   func(l *Line) string { return l.Product },
		New:   func(product string) Total { return Total{Product: product} },
		Fold:  (*Total).addLine,
		Merge: (*Total).add,
	}
}
