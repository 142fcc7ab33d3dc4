package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

// What a process that is started to be measured is to work on.
const (
	childURL = "MILLRACE_BENCH_URL"
	childCSV = "MILLRACE_BENCH_CSV"
)

// memoryLimit is what the sales job may need, in bytes, however many rows there are.
const memoryLimit = 64 << 20

// peaks runs the sales job in a process of its own, on the usual rows and on ten times as many, and tells how much
// memory each needed at its peak.
func (w *workshop) peaks(ctx context.Context) error {
	if err := salesetl.CreateTables(ctx, w.pool); err != nil {
		return err
	}
	defer w.pool.Exec(context.WithoutCancel(ctx), "truncate in_store_sales, online_sales, aggregated_sales")
	fmt.Printf("The sales job, a process of its own; at most %d MiB is aimed at, and the same within 10%%:\n\n", memoryLimit>>20)
	var first int64
	for _, rows := range []int{w.rows, 10 * w.rows} {
		file := filepath.Join(w.dir, "memory.csv")
		if _, err := salesetl.NewDemo(salesetl.DemoConfig{Pool: w.pool, Online: rows, CSV: file, InStore: rows}).Run(ctx); err != nil {
			return err
		}
		peak, took, err := peakOf(ctx, w.url, file)
		if err != nil {
			return err
		}
		if first == 0 {
			first = peak
		}
		fmt.Printf("- %d rows a side, %.1f s: %.1f MiB at the peak, %.2f of the first\n", rows, took.Seconds(), float64(peak)/(1<<20), float64(peak)/float64(first))
	}
	fmt.Println()
	return nil
}

// peakOf runs the job in a process of its own.
func peakOf(ctx context.Context, url, file string) (peak int64, took time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childURL+"="+url, childCSV+"="+file)
	cmd.Stderr = os.Stderr
	began := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, fmt.Errorf("the job in a process of its own: %w", err)
	}
	took = time.Since(began)
	peak, err = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return peak, took, err
}

// child is that process: it runs the job and prints its own peak in bytes. (What wait4 tells of it includes its
// parent's memory at the moment of the fork.)
func child(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, os.Getenv(childURL))
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := salesetl.New(salesetl.Config{Pool: pool, CSV: os.Getenv(childCSV)}).Run(ctx); err != nil {
		return err
	}
	peak, err := residentPeak()
	fmt.Println(peak)
	return err
}

// residentPeak reads VmHWM (proc_pid_status(5)).
func residentPeak() (int64, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer status.Close()
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.Join(lines.Err(), errors.New("/proc/self/status has no VmHWM"))
}
