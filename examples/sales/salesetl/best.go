package salesetl

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sources"
)

// BestProducts returns the n products of aggregated_sales with the highest revenue, the highest first.
func BestProducts(ctx context.Context, pool *pgxpool.Pool, n int) ([]Total, error) {
	totals := pipeline.Records(ctx, sources.Postgres[Total]{
		Pool:  pool,
		Query: "SELECT product, total_quantity, total_revenue FROM aggregated_sales ORDER BY total_revenue DESC, product LIMIT $1",
		Args:  []any{n},
	})
	var best []Total
	for total, err := range totals {
		if err != nil {
			return nil, fmt.Errorf("best products: %w", err)
		}
		best = append(best, total)
	}
	return best, nil
}
