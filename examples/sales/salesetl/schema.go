package salesetl

import (
	"context"
	_ "embed" // for Schema
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The pipeline's tables.
const (
	InStoreTable = "in_store_sales"
	OnlineTable  = "online_sales"
	TotalsTable  = "aggregated_sales"
)

// Schema is the SQL that makes those tables that are not there.
//
//go:embed schema.sql
var Schema string

// schemaLock is the number of an advisory lock: CREATE TABLE IF NOT EXISTS fails when two sessions make the same table
// at the same time, as replicas do that start together.
const schemaLock = 0x5de9_016c

// CreateTables makes those of the pipeline's tables that are not there, all or none. Tables that are there stay as they
// are, whatever their columns. Several processes may call it at the same time.
func CreateTables(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", schemaLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, Schema) // without arguments pgx sends all its statements at once
		return err
	})
	if err != nil {
		return fmt.Errorf("creating the tables: %w", err)
	}
	return nil
}

// MissingTables names those of the pipeline's tables that the server does not find by its search path.
func MissingTables(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(quote_ident(name)) IS NULL",
		[]string{InStoreTable, OnlineTable, TotalsTable})
	if err != nil {
		return nil, fmt.Errorf("looking for the tables: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("looking for the tables: %w", err)
	}
	return missing, nil
}
