package deploytest

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/examples/sales/salesetl"
)

var update = flag.Bool("update", false, "write docker/database/online_sales.csv anew")

// root is the repository's.
const root = "../.."

//go:generate go test -run ^TestOnlineSalesOfTheDatabaseAreThoseOfTheGenerator$ -update .

func TestOnlineSalesOfTheDatabaseAreThoseOfTheGenerator(t *testing.T) {
	var want bytes.Buffer
	out := csv.NewWriter(&want)
	rows := [][]string{{"sale_id", "product", "quantity", "unit_price", "sale_date", "customer"}}
	for sale := range salesetl.OnlineSales(salesetl.OnlineRows) {
		rows = append(rows, []string{
			strconv.FormatInt(sale.SaleID, 10), sale.Product, strconv.FormatInt(sale.Quantity, 10),
			sale.UnitPrice.String(), sale.SaleDate.Format(time.DateOnly), sale.Customer,
		})
	}
	if err := out.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "docker/database/online_sales.csv")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(readFile(t, path), want.Bytes()) {
		t.Errorf("%s is not what salesetl makes; write it anew by: go generate ./internal/deploytest", path)
	}
}

func TestInitSQLMakesTheTablesOfThePipelines(t *testing.T) {
	text := string(readFile(t, filepath.Join(root, "docker/database/init.sql")))
	_, rest, begins := strings.Cut(text, "-- ---- schema.sql\n")
	schema, _, ends := strings.Cut(rest, "-- ---- end of schema.sql\n")
	if !begins || !ends {
		t.Fatal("init.sql does not mark where schema.sql begins and ends")
	}
	if schema != salesetl.Schema {
		t.Errorf("init.sql and examples/sales/salesetl/schema.sql differ: copy the latter between the marks")
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
