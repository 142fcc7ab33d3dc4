-- What the database holds when its volume is new. Postgres's image runs this once, before it lets anybody in; what a
-- later start misses, a backend with MILLRACE_DEMO=1 makes.
--
-- The tables of the pipelines are those of examples/sales/salesetl/schema.sql, word for word, and the sales are those
-- that salesetl makes: a test holds them equal.

BEGIN;

CREATE TABLE test_table (
    id   SERIAL PRIMARY KEY,
    name VARCHAR(100)
);
INSERT INTO test_table (name) VALUES ('Sude'), ('Airflow'), ('Docker');

-- ---- schema.sql
-- The tables of sde_gul_etl. All three are the pipeline's own.

CREATE TABLE IF NOT EXISTS in_store_sales ( -- a copy of the CSV file, replaced by each run
    sale_id    bigint        NOT NULL,
    product    text          NOT NULL CHECK (product <> ''),
    quantity   bigint        NOT NULL CHECK (quantity > 0),
    unit_price numeric(12,2) NOT NULL CHECK (unit_price >= 0),
    sale_date  date          NOT NULL,
    store      text          NOT NULL
);

CREATE TABLE IF NOT EXISTS online_sales ( -- what the shop writes and the pipeline reads
    sale_id    bigint        NOT NULL,
    product    text          NOT NULL CHECK (product <> ''),
    quantity   bigint        NOT NULL CHECK (quantity > 0),
    unit_price numeric(12,2) NOT NULL CHECK (unit_price >= 0),
    sale_date  date          NOT NULL,
    customer   text          NOT NULL
);

CREATE TABLE IF NOT EXISTS aggregated_sales ( -- the result, replaced by each run
    product        text          PRIMARY KEY,
    total_quantity bigint        NOT NULL,
    total_revenue  numeric(14,2) NOT NULL
);
-- ---- end of schema.sql

COPY online_sales FROM '/demo/online_sales.csv' WITH (FORMAT csv, HEADER true);

COMMIT;

-- So that the first queries know how large the tables are.
ANALYZE;
