package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

// job opens the database, makes up data where that is wanted, runs the pipeline and prints how it went.
func job(ctx context.Context, s settings, stdout, stderr io.Writer) error {
	pool, closeAll, err := openDatabase(ctx, s.databaseURL, stderr)
	if err != nil {
		return err
	}
	defer closeAll()

	csv := s.csv
	if s.prepare() {
		demo := salesetl.DemoConfig{Pool: pool, Online: salesetl.OnlineRows}
		if s.rows > 0 {
			dir, err := os.MkdirTemp("", "millrace-sales-")
			if err != nil {
				return fmt.Errorf("a folder for the sales in stores: %w", err)
			}
			defer os.RemoveAll(dir)
			csv = filepath.Join(dir, salesetl.BundledCSV)
			demo.CSV, demo.InStore, demo.Online = csv, s.rows, s.rows
		}
		if err := salesetl.CreateTables(ctx, pool); err != nil {
			return err
		}
		if _, err := watch(ctx, salesetl.NewDemo(demo), s.progress, stderr); err != nil {
			return err
		}
	} else if err := checkTables(ctx, pool); err != nil {
		return err
	}

	report, err := watch(ctx, salesetl.New(salesetl.Config{Pool: pool, CSV: csv}), s.progress, stderr)
	if s.json {
		if err := writeJSON(stdout, report); err != nil {
			return err
		}
	}
	if err != nil || s.json {
		return err
	}
	best, err := salesetl.BestProducts(ctx, pool, 10)
	if err != nil {
		return err
	}
	return writeTables(stdout, report, best)
}
