package main

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/duckdb/duckdb-go/v2" // its driver
)

// duckSums does csvToSums in DuckDB, with the types of the columns given, so that it need
// not guess.
func duckSums(ctx context.Context, path string) (result string, err error) {
	db, err := sql.Open("duckdb", "?threads=2")
	if err != nil {
		return "", err
	}
	defer db.Close()
	var groups, total int64
	err = db.QueryRowContext(ctx, `
select count(*), sum(quantity)::bigint from (
	select product, sum(quantity) as quantity
	  from read_csv(?, header = true, columns = {'sale_id': 'BIGINT', 'product': 'VARCHAR', 'quantity': 'BIGINT',
	       'unit_price': 'DOUBLE', 'sale_date': 'DATE', 'store': 'VARCHAR'})
	 group by product)`, path).Scan(&groups, &total)
	return fmt.Sprintf("%d products, quantity %d", groups, total), err
}
