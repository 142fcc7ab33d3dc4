package csvcodec

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/gocarina/gocsv"
	"github.com/govalues/decimal"
)

// benchRow has the columns that the project measures itself by: bigint, text,
// bigint, double precision, date, text.
type benchRow struct {
	ID       int64     `csv:"sale_id"`
	Product  string    `csv:"product"`
	Quantity int64     `csv:"quantity"`
	Price    float64   `csv:"unit_price"`
	Date     time.Time `csv:"sale_date"`
	Store    string    `csv:"store"`
}

// benchRowGocsv has the date as text, because gocsv cannot read one.
type benchRowGocsv struct {
	ID       int64   `csv:"sale_id"`
	Product  string  `csv:"product"`
	Quantity int64   `csv:"quantity"`
	Price    float64 `csv:"unit_price"`
	Date     string  `csv:"sale_date"`
	Store    string  `csv:"store"`
}

type benchTwo struct {
	Product  string `csv:"product"`
	Quantity int64  `csv:"quantity"`
}

func benchInput(rows int, quoted bool) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	b.WriteString("sale_id,product,quantity,unit_price,sale_date,store\n")
	day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		format := "%d,Product %03d,%d,%d.%02d,%s,Store number %d\n"
		if quoted {
			format = "\"%d\",\"Product %03d\",\"%d\",\"%d.%02d\",\"%s\",\"Store number %d\"\n"
		}
		fmt.Fprintf(&b, format, 1_000_000+i, random.IntN(500), 1+random.IntN(20), random.IntN(1000),
			random.IntN(100), day.AddDate(0, 0, random.IntN(1500)).Format(time.DateOnly), random.IntN(100))
	}
	return b.Bytes()
}

const benchRows = 100_000

// measure reports MB/s and ns/record of f, which works through in once, and the
// same in processor time, which other work on the machine disturbs less.
func measure(b *testing.B, in []byte, f func()) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	before := cpuTime(b)
	for b.Loop() {
		f()
	}
	cpu := cpuTime(b) - before
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/record")
	b.ReportMetric(float64(len(in))*float64(b.N)/1e6/cpu.Seconds(), "cpu-MB/s")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkScan(b *testing.B) {
	for _, quoted := range []bool{false, true} {
		b.Run(fmt.Sprintf("quoted=%v", quoted), func(b *testing.B) {
			in := benchInput(benchRows, quoted)
			measure(b, in, func() {
				s, err := NewScanner(bytes.NewReader(in), ScanOptions{})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for {
					if _, err := s.Next(); err == io.EOF {
						break
					} else if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != benchRows+1 {
					b.Fatal(n)
				}
			})
		})
	}
}

func benchRead[T any](b *testing.B, in []byte) {
	b.Helper()
	batch := make([]T, 512)
	measure(b, in, func() {
		r, err := NewReader[T](bytes.NewReader(in), ReadOptions{})
		if err != nil {
			b.Fatal(err)
		}
		total := 0
		for {
			n, err := r.ReadBatch(batch)
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if total != benchRows {
			b.Fatal(total)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	in, quoted := benchInput(benchRows, false), benchInput(benchRows, true)
	b.Run("six columns", func(b *testing.B) { benchRead[benchRow](b, in) })
	b.Run("six columns quoted", func(b *testing.B) { benchRead[benchRow](b, quoted) })
	b.Run("decimal", func(b *testing.B) { benchRead[benchDecimal](b, in) })
	b.Run("two columns", func(b *testing.B) { benchRead[benchTwo](b, in) })
}

func BenchmarkWrite(b *testing.B) {
	in := benchInput(benchRows, false)
	r, err := NewReader[benchRow](bytes.NewReader(in), ReadOptions{})
	if err != nil {
		b.Fatal(err)
	}
	rows := make([]benchRow, benchRows)
	if _, err := r.ReadBatch(rows); err != nil {
		b.Fatal(err)
	}
	b.Run("six columns", func(b *testing.B) {
		e, err := NewEncoder[benchRow](EncodeOptions{Layout: time.DateOnly})
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 0, 64<<10)
		measure(b, in, func() {
			for i := range rows {
				if len(buf) > 60<<10 {
					buf = buf[:0]
				}
				if buf, err = e.Append(buf, &rows[i]); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("gocsv", func(b *testing.B) {
		measure(b, in, func() {
			if err := gocsv.MarshalWithoutHeaders(rows, io.Discard); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func BenchmarkSplit(b *testing.B) {
	for _, quoted := range []bool{false, true} {
		b.Run(fmt.Sprintf("quoted=%v", quoted), func(b *testing.B) {
			in := benchInput(benchRows, quoted)
			measure(b, in, func() {
				points, err := SplitPoints(bytes.NewReader(in), int64(len(in)), 16, ScanOptions{})
				if err != nil || len(points) != 16 {
					b.Fatal(points, err)
				}
			})
		})
	}
}

// benchDecimal has money as the sales job has it.
type benchDecimal struct {
	Product  string          `csv:"product"`
	Quantity int64           `csv:"quantity"`
	Price    decimal.Decimal `csv:"unit_price"`
}

func BenchmarkPeers(b *testing.B) {
	in := benchInput(benchRows, false)
	b.Run("gocsv", func(b *testing.B) {
		measure(b, in, func() {
			um, err := gocsv.NewUnmarshaller(csv.NewReader(bytes.NewReader(in)), benchRowGocsv{})
			if err != nil {
				b.Fatal(err)
			}
			for {
				if _, err := um.Read(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("encoding/csv without conversion", func(b *testing.B) {
		measure(b, in, func() {
			r := csv.NewReader(bytes.NewReader(in))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}
