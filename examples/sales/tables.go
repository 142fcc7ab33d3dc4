package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/pipeline"
)

// writeTables prints the stages of a run that succeeded and the best products.
func writeTables(w io.Writer, report pipeline.Report, best []salesetl.Total) error {
	_, err := fmt.Fprintf(w, "%s %s in %v\n\n%s\n\nBest products by revenue\n\n%s\n",
		report.Pipeline, report.State, short(report.EndedAt.Sub(report.StartedAt)),
		stagesTable(report), productsTable(best))
	return err
}

// stagesTable has the time of each stage from its start to its end, and what of it the stage did not spend waiting for
// others: since stages run side by side, that is what tells the slow one.
func stagesTable(report pipeline.Report) string {
	t := newTable(2, 3, 4, 5, 6)
	t.AppendHeader(table.Row{"stage", "rows in", "rows out", "time", "working", "rows/s"})
	for _, stage := range report.Stages {
		in, out := thousands(stage.RecordsIn), thousands(stage.RecordsOut)
		switch stage.Kind {
		case pipeline.KindSource:
			in = ""
		case pipeline.KindSink:
			out = ""
		}
		t.AppendRow(table.Row{
			stage.Name, in, out, short(elapsed(stage, report.EndedAt)), short(stage.Working), thousands(rate(stage, report.EndedAt)),
		})
	}
	return t.Render()
}

func productsTable(best []salesetl.Total) string {
	t := newTable(2, 3)
	t.AppendHeader(table.Row{"product", "quantity", "revenue"})
	for _, total := range best {
		t.AppendRow(table.Row{total.Product, thousands(total.TotalQuantity), total.TotalRevenue})
	}
	return t.Render()
}

// newTable returns a table without a frame whose numbers, in columns counted from 1, stand on the right.
func newTable(numbers ...int) table.Writer {
	t := table.NewWriter()
	style := table.StyleLight
	style.Options = table.Options{SeparateHeader: true}
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	var columns []table.ColumnConfig
	for _, n := range numbers {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

// short rounds a time to what a reader wants to know of it.
func short(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
