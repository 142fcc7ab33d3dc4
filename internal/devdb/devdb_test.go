package devdb_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

func TestTwoTestsGetTwoDatabases(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			pool := devdb.Test(t)
			var db string
			if err := pool.QueryRow(context.Background(), "SELECT current_database()").Scan(&db); err != nil {
				t.Fatal(err)
			}
			if other, again := seen[db]; again {
				t.Fatalf("%s and %s share database %s", name, other, db)
			}
			seen[db] = name
			if _, err := pool.Exec(context.Background(), "CREATE TABLE t (n int)"); err != nil {
				t.Fatal(err)
			}
		})
	}
}
