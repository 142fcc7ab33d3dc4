package salesetl

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"time"
)

// The sizes of the bundled data.
const (
	InStoreRows = 7105 // lines of in_store_sales.csv below the header
	OnlineRows  = 6420 // rows of online_sales
)

// Which of the two sides a random sequence belongs to; a side's rows never depend on the other's.
const (
	inStoreSide uint64 = 0x1d5a1e5
	onlineSide  uint64 = 0x0a11fe
)

// MakeInStoreSale returns the i-th sale in a store, from 0. The same i gives the same sale, always and everywhere; no
// state is kept, so that any range of rows can be made, in any order, by any number of goroutines.
func MakeInStoreSale(i int) Sale {
	d := newDice(inStoreSide, i)
	item := d.item()
	return Sale{
		SaleID:    int64(i) + 1,
		Product:   item.name,
		Quantity:  1 + d.roll(20),
		UnitPrice: price(item.cents, 5*d.roll(4)), // up to 15 % off
		SaleDate:  d.day(),
		Store:     stores[d.roll(int64(len(stores)))],
	}
}

// MakeOnlineSale returns the i-th sale online, from 0, as MakeInStoreSale does.
func MakeOnlineSale(i int) OnlineSale {
	d := newDice(onlineSide, i)
	item, names := d.item(), customers()
	return OnlineSale{
		SaleID:    int64(i) + 1,
		Product:   item.name,
		Quantity:  1 + d.roll(20),
		UnitPrice: price(item.cents, 3+4*d.roll(3)), // 3, 7 or 11 % off
		SaleDate:  d.day(),
		Customer:  names[d.roll(int64(len(names)))],
	}
}

// InStoreSales yields the first n sales in stores, made one by one.
func InStoreSales(n int) iter.Seq[Sale] { return first(n, MakeInStoreSale) }

// OnlineSales yields the first n sales online, made one by one.
func OnlineSales(n int) iter.Seq[OnlineSale] { return first(n, MakeOnlineSale) }

func first[T any](n int, at func(int) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range n {
			if !yield(at(i)) {
				return
			}
		}
	}
}

// WriteInStoreCSV writes a header and the first n sales in stores to w, as in_store_sales.csv has them: UTF-8, commas,
// LF, and quotes where RFC 4180 asks for them. The error is w's.
func WriteInStoreCSV(w io.Writer, n int) error {
	out := csv.NewWriter(w)
	// Write hands on the errors of earlier flushes, so that a full disk ends the loop and not only the file.
	err := out.Write([]string{"sale_id", "product", "quantity", "unit_price", "sale_date", "store"})
	for i := 0; i < n && err == nil; i++ {
		sale := MakeInStoreSale(i)
		err = out.Write([]string{
			strconv.FormatInt(sale.SaleID, 10), sale.Product, strconv.FormatInt(sale.Quantity, 10),
			sale.UnitPrice.String(), sale.SaleDate.Format(time.DateOnly), sale.Store,
		})
	}
	if err == nil {
		out.Flush()
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("writing sales: %w", err)
	}
	return nil
}

// dice is the random sequence of one row: a generator seeded by the row's side and number, which costs two words and
// no allocation.
type dice struct {
	pcg rand.PCG
}

func newDice(side uint64, row int) dice {
	var d dice
	d.pcg.Seed(side, uint64(row)*0x9e3779b97f4a7c15)
	d.pcg.Uint64() // neighbouring seeds begin alike
	return d
}

// roll returns a number in [0, n). Its bias, n in 2^64, is nothing here.
func (d *dice) roll(n int64) int64 {
	hi, _ := bits.Mul64(d.pcg.Uint64(), uint64(n))
	return int64(hi)
}

// item picks a product: the product of two rolls favours the front of the catalogue, as a real shop's sales do.
func (d *dice) item() *catalogueItem {
	items := catalogue()
	return &items[d.roll(d.roll(int64(len(items)))+1)]
}

// day picks a day of 2025.
func (d *dice) day() time.Time {
	return time.Date(2025, time.January, 1+int(d.roll(365)), 0, 0, 0, 0, time.UTC)
}
