package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

// demoLock keeps replicas that start together from filling the same table twice.
const demoLock = 0x5de9_d330

// prepareDemo makes the demo's tables and fills those that are empty; what is in them stays.
func prepareDemo(ctx context.Context, pool *pgxpool.Pool, log hclog.Logger) error {
	if err := salesetl.CreateTables(ctx, pool); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", demoLock); err != nil {
			return err
		}
		const testTable = `
CREATE TABLE IF NOT EXISTS test_table (id serial PRIMARY KEY, name varchar(100));
INSERT INTO test_table (name) SELECT name FROM (VALUES (1, 'Sude'), (2, 'Airflow'), (3, 'Docker')) AS first (place, name)
WHERE NOT EXISTS (SELECT FROM test_table) ORDER BY place`
		if _, err := tx.Exec(ctx, testTable); err != nil {
			return fmt.Errorf("filling test_table: %w", err)
		}
		var empty bool
		if err := tx.QueryRow(ctx, "SELECT NOT EXISTS (SELECT FROM online_sales)").Scan(&empty); err != nil || !empty {
			return err
		}
		log.Info("filling online_sales", "rows", salesetl.OnlineRows)
		// In a transaction of its own, while this one holds the lock.
		return salesetl.FillOnlineSales(ctx, pool, salesetl.OnlineRows)
	})
}
