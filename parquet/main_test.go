package parquet

import (
	"context"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inner and sale have a field of each kind that a struct can have.
type inner struct {
	Street string `parquet:"street"`
	Number *int32 `parquet:"number"`
}

type sale struct {
	ID      int64            `parquet:"id"`
	Product string           `parquet:"product"`
	Price   int64            `parquet:"price,decimal(2:12)"`
	Weight  float64          `parquet:"weight"`
	Small   uint8            `parquet:"small"`
	Sold    time.Time        `parquet:"sold,timestamp(microsecond)"`
	Day     int32            `parquet:"day,date"`
	Remark  *string          `parquet:"remark"`
	Raw     []byte           `parquet:"raw"`
	Tags    []string         `parquet:"tags,list"`
	At      inner            `parquet:"at"`
	Other   *inner           `parquet:"other"`
	Stops   []inner          `parquet:"stops,list"`
	Marks   map[string]int32 `parquet:"marks"`
	Paid    bool             `parquet:"paid"`
}

func randomSale(r *rand.Rand, id int64) sale {
	text := func() string { return []string{"", "pen", "ink, blue", "Señor", "a\x00b"}[r.IntN(5)] }
	place := func() inner {
		n := r.Int32()
		return []inner{{text(), nil}, {text(), &n}}[r.IntN(2)]
	}
	s := sale{
		ID: id, Product: text(), Price: r.Int64N(1_999_999_999_999) - 999_999_999_999, Weight: r.NormFloat64(), Small: uint8(r.Uint32()),
		Sold: time.UnixMicro(r.Int64N(1 << 52)).UTC(), Day: r.Int32N(40_000), At: place(), Paid: r.IntN(2) == 0,
	}
	if r.IntN(2) == 0 {
		remark := text()
		s.Remark = &remark
	}
	for range r.IntN(3) {
		s.Raw = append(s.Raw, byte(r.Uint32()))
		s.Tags = append(s.Tags, text())
		s.Stops = append(s.Stops, place())
	}
	if r.IntN(2) == 0 {
		other := place()
		s.Other = &other
	}
	for range r.IntN(3) {
		if s.Marks == nil {
			s.Marks = map[string]int32{}
		}
		s.Marks[text()] = r.Int32()
	}
	return s
}

func sales(n int) []sale {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]sale, n)
	for i := range all {
		all[i] = randomSale(r, int64(i))
	}
	return all
}

// write makes a file as somebody else's program would, with row groups of so many rows.
func write[T any](t testing.TB, rows []T, group int64, options ...pq.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.parquet")
	options = append(options, pq.MaxRowsPerRowGroup(group))
	if err := pq.WriteFile(path, rows, options...); err != nil {
		t.Fatal(err)
	}
	return path
}

// validated returns what the validation of a pipeline with this source says.
func validated[T any](t testing.TB, s Source[T]) error {
	t.Helper()
	p := pipeline.New("test", pipeline.Options{})
	pipeline.To(pipeline.From(p, "read", s), "drop", pipeline.SinkFunc[T](func(context.Context, *pipeline.Reader[T]) error { return nil }))
	return p.Validate(t.Context())
}

func tolerant(n int) pipelinetest.Option {
	return pipelinetest.WithOptions(pipeline.Options{MaxRejects: n})
}

// counted is a store other than the disk, that counts the bytes it gives.
type counted struct {
	files.Disk
	bytes, opened atomic.Int64
	fail          func(f files.Info, from, to int64) error
}

func (c *counted) Open(ctx context.Context, f files.Info, from, to int64) (io.ReadCloser, error) {
	if c.fail != nil {
		if err := c.fail(f, from, to); err != nil {
			return nil, err
		}
	}
	c.opened.Add(1)
	r, err := c.Disk.Open(ctx, f, from, to)
	if err != nil {
		return nil, err
	}
	return &countedReader{r, c}, nil
}

type countedReader struct {
	io.ReadCloser
	of *counted
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.of.bytes.Add(int64(n))
	return n, err
}
