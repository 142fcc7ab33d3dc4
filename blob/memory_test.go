package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// wide is a row of about 60 bytes.
type wide struct {
	ID       int64   `csv:"id"`
	Product  string  `csv:"product"`
	Quantity int32   `csv:"quantity"`
	Price    float64 `csv:"price"`
	Note     string  `csv:"note"`
}

func wideRow(n int) wide {
	return wide{int64(n), fmt.Sprint("product ", n%1000), int32(n % 7), float64(n%10_000) / 100, "delivered in the evening"} //nolint:gosec // small
}

func (j job) write(ctx context.Context, store files.Writable) error {
	p := pipeline.New("write", pipeline.Options{})
	rows := pipeline.From(p, "make", pipeline.SourceFunc[wide](func(_ context.Context, out *pipeline.Writer[wide]) error {
		for n := range j.rows {
			if err := out.Write(wideRow(n)); err != nil {
				return err
			}
		}
		return nil
	}))
	pipeline.To(rows, "write", sinks.CSV[wide]{Path: j.path, Store: store})
	if _, err := p.Run(ctx); err != nil {
		return err
	}
	return sayPeak()
}

func (j job) read(ctx context.Context, store files.Writable) error {
	n := 0
	p := pipeline.New("read", pipeline.Options{})
	rows := pipeline.From(p, "read", sources.CSV[wide]{Path: j.path, Store: store})
	pipeline.To(rows, "check", pipeline.SinkFunc[wide](func(_ context.Context, in *pipeline.Reader[wide]) error {
		for row, err := range in.All() {
			if err != nil {
				return err
			}
			if row != wideRow(n) {
				return fmt.Errorf("row %d is %+v", n, row)
			}
			n++
		}
		return nil
	}))
	if _, err := p.Run(ctx); err != nil {
		return err
	}
	if n != j.rows {
		return fmt.Errorf("%d rows", n)
	}
	return sayPeak()
}

// sayPeak prints the most bytes that this process had in memory at once, and how many of these are its executable's, as
// far as it was needed. (What wait4 tells of it includes its parent's memory at the moment of the fork.)
func sayPeak() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for _, key := range []string{"VmHWM:", "RssFile:"} {
		_, after, _ := strings.Cut(string(status), key)
		var kib int64
		if _, err := fmt.Sscan(after, &kib); err != nil {
			return err
		}
		fmt.Print(kib<<10, " ")
	}
	fmt.Println()
	return nil
}

// What a process holds does not grow with the file. The clients of three clouds are a large program, whose own pages are
// told apart.
func TestMemoryDoesNotGrowWithTheFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what a process held at most is asked of Linux")
	}
	const most = 64 << 20 // without the program: 51 MiB were seen of 2M rows written, 14 of as many read
	server := newS3(t)
	for _, rows := range []int{1, amount(400_000, 2_000_000)} {
		for _, kind := range []string{"write", "read"} {
			c := newChild(t, job{kind: kind, endpoint: server.URL, path: "wide.csv", rows: rows})
			c.start(t)
			said := <-c.lines
			<-c.exited
			var peak, program int64
			_, err := fmt.Sscan(said, &peak, &program)
			if err := errors.Join(c.err, err); err != nil {
				t.Fatalf("%s: %v: %s", kind, err, c.stderr.String())
			}
			t.Logf("%s %d rows: %.1f MiB at the most, %.1f of them the program", kind, rows, float64(peak)/(1<<20), float64(program)/(1<<20))
			if peak-program > most && !raceDetector {
				t.Errorf("%s %d rows: %d bytes without the program", kind, rows, peak-program)
			}
		}
	}
}
