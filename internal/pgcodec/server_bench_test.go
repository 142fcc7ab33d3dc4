package pgcodec

import (
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/millrace/millrace/internal/devdb"
)

// BenchmarkServer reads and writes a table as a stage would, beside pgx.
func BenchmarkServer(b *testing.B) {
	pool := devdb.Test(b)
	acquired, err := pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer acquired.Release()
	conn := acquired.Conn()
	if _, err := conn.Exec(b.Context(), `create unlogged table t (sale_id bigint not null, product text not null,
		quantity bigint not null, price double precision not null, sale_date date not null, store text not null)`); err != nil {
		b.Fatal(err)
	}
	records := sales(200_000)
	size := len(tuples(b, saleColumns, records)) / len(records)
	names := make([]string, len(saleColumns))
	for i, c := range saleColumns {
		names[i] = c.Name
	}
	perServerRow := func(b *testing.B, n int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/row")
		b.SetBytes(int64(size * n))
	}
	empty := func(b *testing.B) {
		if _, err := conn.Exec(b.Context(), "truncate t"); err != nil {
			b.Fatal(err)
		}
	}

	b.Run("write/compiled", func(b *testing.B) {
		e, err := NewEncoder[sale](saleColumns, nil)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			empty(b)
			r := &encodingReader[sale]{encoder: e, records: records, buf: Binary.AppendHeader(nil)}
			if _, err := conn.PgConn().CopyFrom(b.Context(), r, "copy t from stdin (format binary)"); err != nil {
				b.Fatal(err)
			}
		}
		perServerRow(b, len(records))
	})
	b.Run("write/pgx", func(b *testing.B) {
		for range b.N {
			empty(b)
			rows := pgx.CopyFromSlice(len(records), func(i int) ([]any, error) {
				r := &records[i]
				return []any{r.SaleID, r.Product, r.Quantity, r.Price, r.SaleDate, r.Store}, nil
			})
			if _, err := conn.CopyFrom(b.Context(), pgx.Identifier{"t"}, names, rows); err != nil {
				b.Fatal(err)
			}
		}
		perServerRow(b, len(records))
	})

	const query = "select sale_id, product, quantity, price, sale_date, store from t"
	batch := make([]sale, 512)
	b.Run("read/raw", func(b *testing.B) {
		d, err := NewDecoder[sale](saleColumns, nil)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			rows := conn.PgConn().ExecParams(b.Context(), query, nil, nil, nil, []int16{pgtype.BinaryFormatCode})
			at := 0
			for rows.NextRow() {
				if err := d.Decode(rows.Values(), &batch[at%len(batch)]); err != nil {
					b.Fatal(err)
				}
				at++
			}
			if _, err := rows.Close(); err != nil || at != len(records) {
				b.Fatalf("%d rows, %v", at, err)
			}
		}
		perServerRow(b, len(records))
	})
	b.Run("read/pgx", func(b *testing.B) {
		for range b.N {
			rows, err := conn.Query(b.Context(), query)
			if err != nil {
				b.Fatal(err)
			}
			at := 0
			for rows.Next() {
				r := &batch[at%len(batch)]
				if err := rows.Scan(&r.SaleID, &r.Product, &r.Quantity, &r.Price, &r.SaleDate, &r.Store); err != nil {
					b.Fatal(err)
				}
				at++
			}
			if rows.Err() != nil || at != len(records) {
				b.Fatalf("%d rows, %v", at, rows.Err())
			}
		}
		perServerRow(b, len(records))
	})
}

// encodingReader encodes records as the connection asks for bytes.
type encodingReader[T any] struct {
	encoder *Encoder[T]
	records []T
	buf     []byte
	read    int // of buf
	ended   bool
}

func (r *encodingReader[T]) Read(p []byte) (int, error) {
	if r.read == len(r.buf) {
		r.buf, r.read = r.buf[:0], 0
	}
	for len(r.buf) < 64<<10 && len(r.records) > 0 {
		var err error
		if r.buf, err = r.encoder.Append(r.buf, &r.records[0]); err != nil {
			return 0, fmt.Errorf("encoding: %w", err)
		}
		r.records = r.records[1:]
	}
	if len(r.records) == 0 && !r.ended {
		r.buf, r.ended = Binary.AppendTrailer(r.buf), true
	}
	n := copy(p, r.buf[r.read:])
	r.read += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
