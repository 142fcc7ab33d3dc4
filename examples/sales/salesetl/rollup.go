package salesetl

import (
	"context"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// RollupName is the name of the pipeline of NewRollup.
const RollupName = "nightly_rollup"

// DailyTable holds a row for each day that a rollup was run for.
const DailyTable = "daily_online_sales"

// RollupConfig says what a pipeline of NewRollup reads and where it writes.
type RollupConfig struct {
	// Pool is the database of the two tables. A run holds two of its connections.
	Pool *pgxpool.Pool

	// Day is the day to sum up: the date of this moment in UTC.
	Day time.Time

	// Options are the runner's.
	Options pipeline.Options
}

// DayTotal is a row of daily_online_sales: what was sold online on one day.
type DayTotal struct {
	Day           pgtype.Date     `db:"day"`            // the primary key; not a time.Time, which would make a timestamp
	Sales         int64           `db:"sales"`          // how many there were; 0 on a day without any
	TotalQuantity int64           `db:"total_quantity"` // in pieces
	TotalRevenue  decimal.Decimal `db:"total_revenue"`  // quantity times price, summed
}

// NewRollup returns a pipeline that sums up one day of online_sales. A day may be run any number of times: its row is
// replaced. So it shows what a schedule and a backfill need of a job.
//
//	extract_day ── sum_day ── load_day
func NewRollup(c RollupConfig) *pipeline.Pipeline {
	p := pipeline.New(RollupName, c.Options)
	utc := c.Day.UTC()
	day := time.Date(utc.Year(), utc.Month(), utc.Day(), 0, 0, 0, 0, time.UTC)
	sales := pipeline.From(p, "extract_day", onlineDay{sources.Postgres[Line]{
		Pool:  c.Pool,
		Query: "SELECT product, quantity, unit_price FROM online_sales WHERE sale_date = $1::date",
		Args:  []any{day},
	}})
	total := pipeline.Via(sales, "sum_day", sumDay(day))
	pipeline.To(total, "load_day", sinks.Postgres[DayTotal]{
		Pool: c.Pool, Table: DailyTable, Mode: sinks.Upsert, Keys: []string{"day"}, Create: true,
	})
	return p
}

// onlineDay is a day of the table online_sales.
type onlineDay struct{ sources.Postgres[Line] }

// Describe names the table, where the source knows only that it is a query.
func (onlineDay) Describe() string { return "Postgres table " + OnlineTable + ", one day" }

// sumDay puts out one total, also for a day without sales, so that running a day again replaces what was there.
func sumDay(day time.Time) pipeline.Transform[Line, DayTotal] {
	return pipeline.TransformFunc[Line, DayTotal](func(_ context.Context, in *pipeline.Reader[Line], out *pipeline.Writer[DayTotal]) error {
		total := DayTotal{Day: pgtype.Date{Time: day, Valid: true}}
		for line, err := range in.All() {
			if err != nil {
				return err
			}
			sum := Total{TotalQuantity: total.TotalQuantity, TotalRevenue: total.TotalRevenue}
			if err := sum.addLine(&line); err != nil {
				return err
			}
			total.Sales++
			total.TotalQuantity, total.TotalRevenue = sum.TotalQuantity, sum.TotalRevenue
		}
		return out.Write(total)
	})
}
