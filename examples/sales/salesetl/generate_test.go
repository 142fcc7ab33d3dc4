package salesetl

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/govalues/decimal"
)

var update = flag.Bool("update", false, "write "+BundledCSV+" anew")

func TestBundledFileIsWhatTheGeneratorWrites(t *testing.T) {
	var want bytes.Buffer
	if err := WriteInStoreCSV(&want, InStoreRows); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(BundledCSV, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return // what was embedded is the file before
	}
	got, err := fs.ReadFile(Bundled(), BundledCSV)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%s (%d bytes) is not what the generator writes (%d bytes): go generate", BundledCSV, len(got), want.Len())
	}
}

// The file is read back with nothing of ours.
func TestBundledFileReadsBackAsTheSales(t *testing.T) {
	f, err := Bundled().Open(BundledCSV)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"sale_id", "product", "quantity", "unit_price", "sale_date", "store"}; !slices.Equal(lines[0], want) {
		t.Fatalf("header %q, want %q", lines[0], want)
	}
	if len(lines) != 1+7105 {
		t.Fatalf("%d lines below the header, want 7105", len(lines)-1)
	}
	for i, line := range lines[1:] {
		got := Sale{Product: line[1], Store: line[5]}
		var errs [4]error
		got.SaleID, errs[0] = strconv.ParseInt(line[0], 10, 64)
		got.Quantity, errs[1] = strconv.ParseInt(line[2], 10, 64)
		errs[2] = got.UnitPrice.UnmarshalText([]byte(line[3]))
		got.SaleDate, errs[3] = time.Parse(time.DateOnly, line[4])
		if err := errors.Join(errs[:]...); err != nil {
			t.Fatalf("line %d: %v", i+2, err)
		}
		if want := MakeInStoreSale(i); got != want {
			t.Fatalf("line %d: got %v, want %v", i+2, got, want)
		}
	}
}

func TestBundledFileHasWhatIsHardInCSV(t *testing.T) {
	file, err := fs.ReadFile(Bundled(), BundledCSV)
	if err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(file) {
		t.Error("not UTF-8")
	}
	if bytes.IndexFunc(file, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		t.Error("no accents")
	}
	for what, mark := range map[string]string{
		"a comma within quotes": `, 250 g",`,
		"a doubled quote":       `""Minis""`,
		"an accent":             "Café Crème Beans",
		"an apostrophe":         "Chef's Knife",
	} {
		if !bytes.Contains(file, []byte(mark)) {
			t.Errorf("%s: no %s in the file", what, mark)
		}
	}
}

// Figures of the tables below are printed in documents and compared by benchmarks: the generator must not drift.
func TestGeneratedSalesStayTheSame(t *testing.T) {
	for _, tt := range []struct {
		side, want string
		at         func(int) string
	}{
		{"in store", "c25662dd155acc77", func(i int) string {
			s := MakeInStoreSale(i)
			return fmt.Sprintf("{%d %s %d %s %s %s}", s.SaleID, s.Product, s.Quantity, s.UnitPrice, s.SaleDate.Format(time.DateOnly), s.Store)
		}},
		{"online", "74b5ce4abc8b0175", func(i int) string {
			s := MakeOnlineSale(i)
			return fmt.Sprintf("{%d %s %d %s %s %s}", s.SaleID, s.Product, s.Quantity, s.UnitPrice, s.SaleDate.Format(time.DateOnly), s.Customer)
		}},
	} {
		t.Run(tt.side, func(t *testing.T) {
			sum := sha256.New()
			for i := range 20_000 {
				fmt.Fprintln(sum, tt.at(i))
			}
			if got := fmt.Sprintf("%x", sum.Sum(nil))[:16]; got != tt.want {
				t.Errorf("the first 20,000 have the sum %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAnyRowCanBeMadeAtAnyTime(t *testing.T) {
	const n = 2000
	inStore, online := slices.Collect(InStoreSales(n)), slices.Collect(OnlineSales(n))
	if len(inStore) != n || len(online) != n {
		t.Fatalf("%d and %d rows, want %d", len(inStore), len(online), n)
	}
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := n - 1 - w; i >= 0; i -= 4 { // backwards, and not one after the other
				if got := MakeInStoreSale(i); got != inStore[i] {
					t.Errorf("row %d in store is now %v, was %v", i, got, inStore[i])
				}
				if got := MakeOnlineSale(i); got != online[i] {
					t.Errorf("row %d online is now %v, was %v", i, got, online[i])
				}
			}
		})
	}
	workers.Wait()
}

func TestGeneratedSalesAreInRange(t *testing.T) {
	const n = 50_000
	most := decimal.MustParse("9999.99")
	check := func(t *testing.T, i int, id int64, product string, quantity int64, price decimal.Decimal, date time.Time) {
		t.Helper()
		switch {
		case id != int64(i)+1:
			t.Fatalf("row %d: sale_id %d", i, id)
		case product == "" || strings.TrimSpace(product) != product || !utf8.ValidString(product):
			t.Fatalf("row %d: product %q", i, product)
		case quantity < 1 || quantity > 20:
			t.Fatalf("row %d: quantity %d", i, quantity)
		case price.Scale() != 2 || !price.IsPos() || price.Cmp(most) > 0:
			t.Fatalf("row %d: unit price %v", i, price)
		case date.Year() != 2025:
			t.Fatalf("row %d: sale date %v", i, date)
		}
	}
	sold := map[string]int{}
	days, places, buyers := map[time.Time]int{}, map[string]int{}, map[string]int{}
	quantities := map[int64]int{}
	for i := range n {
		s, o := MakeInStoreSale(i), MakeOnlineSale(i)
		check(t, i, s.SaleID, s.Product, s.Quantity, s.UnitPrice, s.SaleDate)
		check(t, i, o.SaleID, o.Product, o.Quantity, o.UnitPrice, o.SaleDate)
		sold[s.Product]++
		sold[o.Product]++
		days[s.SaleDate]++
		places[s.Store]++
		buyers[o.Customer]++
		quantities[s.Quantity]++
	}
	if len(days) != 365 || len(places) != len(stores) || len(buyers) != 900 || len(quantities) != 20 {
		t.Errorf("%d days, %d stores, %d customers, %d quantities", len(days), len(places), len(buyers), len(quantities))
	}
	if len(sold) < Products*95/100 || len(sold) > Products {
		t.Errorf("%d products sold, of %d", len(sold), Products)
	}
	// A uniform pick has no days or stores that stand out, and no best seller; the pick of products has one.
	for store, sales := range places {
		if all := n / len(stores); sales < all*9/10 || sales > all*11/10 {
			t.Errorf("%s has %d sales where %d are usual", store, sales, all)
		}
	}
	if least, all := slices.Min(slices.Collect(maps.Values(days))), n/365; least < all/2 {
		t.Errorf("a day with %d sales where %d are usual", least, all)
	}
	if best, all := slices.Max(slices.Collect(maps.Values(sold))), 2*n/Products; best < 4*all {
		t.Errorf("the best seller was sold %d times where %d are usual", best, all)
	}
}

func TestCatalogueHasAThousandDistinctNames(t *testing.T) {
	names := map[string]bool{}
	for _, item := range catalogue() {
		names[item.name] = true
		if item.cents <= 0 {
			t.Errorf("%s costs %d cents", item.name, item.cents)
		}
	}
	if len(names) != 1000 {
		t.Errorf("%d distinct names, want 1000", len(names))
	}
}

func TestASequenceCanBeLeftEarly(t *testing.T) {
	seen := 0
	for sale := range OnlineSales(1_000_000_000) {
		if seen++; sale.SaleID == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("%d sales were made, want 3", seen)
	}
	for sale := range InStoreSales(0) {
		t.Errorf("of no sales, %v", sale)
	}
}

var errFull = errors.New("no space left on device")

// fullDisk takes so many bytes and no more.
type fullDisk int

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > int(*d) {
		return int(*d), errFull
	}
	*d -= fullDisk(len(p))
	return len(p), nil
}

func TestWritingToAFullDiskFails(t *testing.T) {
	for _, room := range []fullDisk{0, 100, 10_000} {
		if err := WriteInStoreCSV(&room, InStoreRows); !errors.Is(err, errFull) {
			t.Errorf("error %v, want %v", err, errFull)
		}
	}
}

func ExampleMakeInStoreSale() {
	for i := range 3 {
		sale := MakeInStoreSale(i)
		fmt.Println(sale.SaleID, sale.Product, sale.Quantity, sale.UnitPrice, sale.SaleDate.Format(time.DateOnly), sale.Store)
	}
	// Output:
	// 1 Almond Nougat, 80 g 7 3.42 2025-06-24 Dublin, O'Connell St
	// 2 Crème Brûlée Caramels "Minis" 18 5.39 2025-07-30 Amsterdam, Haarlemmerdijk
	// 3 Sketchbook "Déjà Vu" 18 4.85 2025-10-10 São Paulo
}

func BenchmarkMake(b *testing.B) {
	b.Run("in store", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			MakeInStoreSale(i)
		}
	})
	b.Run("online", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			MakeOnlineSale(i)
		}
	})
}
