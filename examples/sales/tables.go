package main

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/millrace/millrace/examples/sales/salesetl"
	"github.com/millrace/millrace/pipeline"
)

// writeTables prints the stages of a run that succeeded and the best products.
func writeTables(w io.Writer, report pipeline.Report, best []salesetl.Total) error {
	_, err := fmt.Fprintf(w, "%s\nBest products by revenue\n\n%s\n", report, productsTable(best))
	return err
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
