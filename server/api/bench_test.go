package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/internal/devdb"
	"github.com/millrace/millrace/server/api"
)

// BenchmarkData has 16 clients ask for test_table, without the network between them and the handler.
func BenchmarkData(b *testing.B) {
	pool := devdb.Test(b)
	if _, err := pool.Exec(b.Context(), "CREATE TABLE test_table (id serial PRIMARY KEY, name varchar(100)); INSERT INTO test_table (name) VALUES ('Sude'), ('Airflow'), ('Docker')"); err != nil {
		b.Fatal(err)
	}
	a := api.New(api.Config{Replica: "one", Logger: hclog.NewNullLogger(), Reads: pool})
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(loop *testing.PB) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/data", nil)
		for loop.Next() {
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				b.Fatal(w.Body)
			}
		}
	})
}
