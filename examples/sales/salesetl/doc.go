// Package salesetl is the sales job, sde_gul_etl, to be run from a command, a test, a benchmark or a server: sales
// in stores, from a CSV file, and sales online, from a table, become totals by product.
//
//	extract_csv ──┬── load_in_store
//	              └── lines ────────┬── transform ── load
//	extract_postgres ───────────────┘
//
// It also has the data to run on. MakeInStoreSale and MakeOnlineSale return the i-th sale of either side: the same for
// everybody, as many as wanted, none kept in memory. Bundled holds the first InStoreRows sales in stores as a file.
package salesetl
