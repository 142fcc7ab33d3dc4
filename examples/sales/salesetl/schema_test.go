package salesetl

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/millrace/millrace/internal/devdb"
)

func TestTablesAreMissingUntilTheyAreCreated(t *testing.T) {
	pool := devdb.Test(t)
	missing, err := MissingTables(t.Context(), pool)
	if want := []string{InStoreTable, OnlineTable, TotalsTable}; err != nil || !slices.Equal(missing, want) {
		t.Errorf("missing %q, %v; want %q", missing, err, want)
	}
	if err := CreateTables(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if missing, err := MissingTables(t.Context(), pool); err != nil || len(missing) != 0 {
		t.Errorf("missing %q, %v", missing, err)
	}
}

func TestCreatingTablesAgainKeepsWhatIsInThem(t *testing.T) {
	pool := newTables(t)
	if err := FillOnlineSales(t.Context(), pool, 5); err != nil {
		t.Fatal(err)
	}
	if err := CreateTables(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, OnlineTable); n != 5 {
		t.Errorf("%d rows, want 5", n)
	}
}

func TestReplicasMayCreateTheTablesAtTheSameTime(t *testing.T) {
	pool := devdb.Test(t)
	var replicas sync.WaitGroup
	for range 8 {
		replicas.Go(func() {
			if err := CreateTables(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	replicas.Wait()
}

func TestNoServerIsAnErrorOfThePlace(t *testing.T) {
	pool := devdb.Test(t)
	config := pool.Config()
	config.ConnConfig.Database = "none"
	gone, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	if err := CreateTables(t.Context(), gone); err == nil || !strings.HasPrefix(err.Error(), "creating the tables: ") {
		t.Errorf("error %v", err)
	}
	if _, err := MissingTables(t.Context(), gone); err == nil || !strings.HasPrefix(err.Error(), "looking for the tables: ") {
		t.Errorf("error %v", err)
	}
	if err := FillOnlineSales(t.Context(), gone, 1); err == nil || !strings.HasPrefix(err.Error(), "filling online_sales: ") {
		t.Errorf("error %v", err)
	}
}
