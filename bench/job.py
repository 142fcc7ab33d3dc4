"""The sales job as one would plainly write it with pandas and psycopg2."""

import os
import sys
from decimal import Decimal

import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

connection = psycopg2.connect(os.environ["DATABASE_URL"])
in_store = pd.read_csv(sys.argv[1], converters={"unit_price": Decimal})
with connection, connection.cursor() as cursor:
    cursor.execute("DELETE FROM in_store_sales")
    execute_values(
        cursor,
        "INSERT INTO in_store_sales (sale_id, product, quantity, unit_price, sale_date, store) VALUES %s",
        in_store[["sale_id", "product", "quantity", "unit_price", "sale_date", "store"]].itertuples(index=False, name=None),
    )
    cursor.execute("SELECT product, quantity, unit_price FROM online_sales")
    online = pd.DataFrame(cursor.fetchall(), columns=["product", "quantity", "unit_price"])
    sales = pd.concat([in_store[["product", "quantity", "unit_price"]], online])
    sales["revenue"] = sales["quantity"] * sales["unit_price"]
    totals = sales.groupby("product", as_index=False).agg(total_quantity=("quantity", "sum"), total_revenue=("revenue", "sum"))
    cursor.execute("DELETE FROM aggregated_sales")
    execute_values(
        cursor,
        "INSERT INTO aggregated_sales (product, total_quantity, total_revenue) VALUES %s",
        [(row.product, int(row.total_quantity), row.total_revenue) for row in totals.itertuples(index=False)],
    )
connection.close()
