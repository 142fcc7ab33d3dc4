package pgcodec

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/govalues/decimal"
	"github.com/jackc/pgx/v5/pgtype"
)

// sale is the row of the project's benchmarks.
type sale struct {
	SaleID   int64
	Product  string
	Quantity int64
	Price    float64
	SaleDate time.Time
	Store    string
}

var saleColumns = []Column{
	{Name: "sale_id", OID: pgtype.Int8OID, NotNull: true},
	{Name: "product", OID: pgtype.TextOID, NotNull: true},
	{Name: "quantity", OID: pgtype.Int8OID, NotNull: true},
	{Name: "price", OID: pgtype.Float8OID, NotNull: true},
	{Name: "sale_date", OID: pgtype.DateOID, NotNull: true},
	{Name: "store", OID: pgtype.TextOID, NotNull: true},
}

func sales(n int) []sale {
	s := make([]sale, n)
	for i := range s {
		s[i] = sale{
			SaleID: int64(i), Product: fmt.Sprintf("Product name %d", i%500), Quantity: int64(i % 17), Price: float64(i%9999) / 100,
			SaleDate: time.Date(2024, 1, 1+i%365, 0, 0, 0, 0, time.UTC), Store: fmt.Sprintf("Store %d", i%40),
		}
	}
	return s
}

// tuples encodes records as a COPY stream's tuples.
func tuples[T any](tb testing.TB, cols []Column, records []T) []byte {
	tb.Helper()
	e, err := NewEncoder[T](cols, nil)
	if err != nil {
		tb.Fatal(err)
	}
	var b []byte
	for i := range records {
		if b, err = e.Append(b, &records[i]); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

func perRow(b *testing.B, bytes int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/row")
	b.SetBytes(int64(bytes))
}

func BenchmarkEncode(b *testing.B) {
	records := sales(1000)
	size := len(tuples(b, saleColumns, records)) / len(records)
	b.Run("compiled", func(b *testing.B) { benchmarkEncoder(b, saleColumns, records) })
	b.Run("pgx", func(b *testing.B) {
		// What pgx's CopyFrom does with the rows of a CopyFromSource.
		b.ReportAllocs()
		m := pgtype.NewMap()
		var buf []byte
		for i := range b.N {
			r := &records[i%len(records)]
			values := []any{r.SaleID, r.Product, r.Quantity, r.Price, r.SaleDate, r.Store}
			buf = binary.BigEndian.AppendUint16(buf[:0], uint16(len(values)))
			for c, v := range values {
				start := len(buf)
				buf = appendNull(buf)
				out, err := m.Encode(saleColumns[c].OID, pgtype.BinaryFormatCode, v, buf)
				if err != nil {
					b.Fatal(err)
				}
				buf = out
				binary.BigEndian.PutUint32(buf[start:], uint32(len(buf)-start-4))
			}
		}
		perRow(b, size)
	})
}

func benchmarkEncoder[T any](b *testing.B, cols []Column, records []T) {
	e, err := NewEncoder[T](cols, nil)
	if err != nil {
		b.Fatal(err)
	}
	size := len(tuples(b, cols, records)) / len(records)
	b.ReportAllocs()
	b.ResetTimer()
	var buf []byte
	for i := range b.N {
		if i%len(records) == 0 {
			buf = buf[:0]
		}
		if buf, err = e.Append(buf, &records[i%len(records)]); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, size)
}

func BenchmarkDecode(b *testing.B) {
	records := sales(1000)
	stream := tuples(b, saleColumns, records)
	rows := rawRows(b, len(saleColumns), stream)
	size := len(stream) / len(records)
	b.Run("compiled", func(b *testing.B) { benchmarkDecoder[sale](b, saleColumns, rows, size) })
	b.Run("compiled-2-of-6", func(b *testing.B) {
		benchmarkDecoder[struct {
			Product  string
			Quantity int64
		}](b, saleColumns, rows, size)
	})
	b.Run("pgx", func(b *testing.B) {
		// What pgx's rows.Scan does: plans made once, then a scan a value.
		b.ReportAllocs()
		m := pgtype.NewMap()
		var dst sale
		targets := []any{&dst.SaleID, &dst.Product, &dst.Quantity, &dst.Price, &dst.SaleDate, &dst.Store}
		plans := make([]pgtype.ScanPlan, len(targets))
		for i, target := range targets {
			plans[i] = m.PlanScan(saleColumns[i].OID, pgtype.BinaryFormatCode, target)
		}
		for i := range b.N {
			targets := []any{&dst.SaleID, &dst.Product, &dst.Quantity, &dst.Price, &dst.SaleDate, &dst.Store}
			for c, v := range rows[i%len(rows)] {
				if err := plans[c].Scan(v, targets[c]); err != nil {
					b.Fatal(err)
				}
			}
		}
		perRow(b, size)
	})
}

func benchmarkDecoder[T any](b *testing.B, cols []Column, rows [][][]byte, size int) {
	d, err := NewDecoder[T](cols, nil)
	if err != nil {
		b.Fatal(err)
	}
	var dst T
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := d.Decode(rows[i%len(rows)], &dst); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, size)
}

// money is the row of the sales job: exact amounts, a nullable column.
type money struct {
	SaleID   int64
	Quantity int32
	Price    decimal.Decimal
	Customer *string
}

func BenchmarkMoney(b *testing.B) {
	cols := []Column{
		{Name: "sale_id", OID: pgtype.Int8OID}, {Name: "quantity", OID: pgtype.Int4OID},
		{Name: "price", OID: pgtype.NumericOID, Typmod: 12<<16 | 2 + 4}, {Name: "customer", OID: pgtype.TextOID},
	}
	records := make([]money, 1000)
	for i := range records {
		records[i] = money{SaleID: int64(i), Quantity: int32(i % 9), Price: decimal.MustNew(int64(i*37%100000), 2)}
		if i%3 > 0 {
			name := fmt.Sprintf("Customer %d", i)
			records[i].Customer = &name
		}
	}
	stream := tuples(b, cols, records)
	rows := rawRows(b, len(cols), stream)
	b.Run("encode", func(b *testing.B) { benchmarkEncoder(b, cols, records) })
	b.Run("decode", func(b *testing.B) { benchmarkDecoder[money](b, cols, rows, len(stream)/len(records)) })
}
