package pgcatalog

import (
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/pipeline"
)

// Dataset names a table by its server and database, as all stages do.
func Dataset(pool *pgxpool.Pool, schema, table string) pipeline.Dataset {
	c := pool.Config().ConnConfig
	return pipeline.Dataset{
		Namespace: "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))),
		Name:      c.Database + "." + schema + "." + table,
	}
}
