package transforms_test

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/transforms"
)

// scatter is a permutation of 64-bit numbers: keys that are all distinct, in no order.
func scatter(i uint64) int64 {
	return int64(bits.Reverse64(i*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93)
}

// distinctKeys writes n records of distinct keys.
func distinctKeys(n int) pipeline.Source[small] {
	return pipeline.SourceFunc[small](func(_ context.Context, out *pipeline.Writer[small]) error {
		for i := range n {
			if err := out.Write(small{A: scatter(uint64(i)), B: int64(i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// peak runs f and returns the most that the heap held in use. A finalizer tells of
// each collection; one is forced now and then by what is set.
func peak(f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	var watch func(*[16]byte)
	ended := atomic.Bool{}
	watch = func(*[16]byte) {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		most.Store(max(most.Load(), now.HeapAlloc))
		if !ended.Load() {
			runtime.SetFinalizer(new([16]byte), watch)
		}
	}
	runtime.SetFinalizer(new([16]byte), watch)
	f()
	ended.Store(true)
	runtime.GC()
	if most.Load() < before.HeapAlloc {
		return 0
	}
	return most.Load() - before.HeapAlloc
}

// TestManyKeysStayWithinTheMemory puts more keys through each stage than its memory has
// room for: 1 million within 8 MiB, 50 million within the default of 256 MiB with MILLRACE_PROOF=full.
func TestManyKeysStayWithinTheMemory(t *testing.T) {
	records, limit := 1_000_000, int64(8<<20)
	if os.Getenv("MILLRACE_PROOF") == "full" {
		records, limit = 50_000_000, transforms.DefaultMaxMemory
	}
	if testing.Short() || raceEnabled {
		records, limit = records/10, limit/10
	}
	folder := t.TempDir()
	check := func(name string, run func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			most := peak(func() { run(t) })
			t.Logf("%d records, peak of the heap %.1f MiB (MaxMemory %.1f MiB), %v, %.0f ns a record", records,
				float64(most)/(1<<20), float64(limit)/(1<<20), time.Since(start).Round(time.Millisecond), float64(time.Since(start).Nanoseconds())/float64(records))
			// Half as much for buffers, a fifth of all for what is not collected yet, and what the run itself needs.
			if room := uint64(limit)*2 + 4<<20; most > room {
				t.Errorf("the heap grew by %d bytes, more than %d", most, room)
			}
			checkNothingLeft(t, folder)
		})
	}
	pass := func(t *testing.T, transform pipeline.Transform[small, small], see func(i int, r *small) error) {
		t.Helper()
		p := pipeline.New("many", pipeline.Options{})
		n := 0
		pipeline.To(pipeline.Via(pipeline.From(p, "source", distinctKeys(records)), "stage", transform), "sink",
			pipeline.SinkFunc[small](func(_ context.Context, in *pipeline.Reader[small]) error {
				for batch, err := range in.Batches() {
					if err != nil {
						return err
					}
					for i := range batch {
						if err := see(n, &batch[i]); err != nil {
							return err
						}
						n++
					}
					in.Recycle(batch)
				}
				return nil
			}))
		if _, err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n != records {
			t.Errorf("%d records came out, want %d", n, records)
		}
	}
	asTheyCame := func(i int, r *small) error {
		if r.B != int64(i) || r.A != scatter(uint64(i)) {
			return fmt.Errorf("record %d is %+v", i, *r)
		}
		return nil
	}
	check("Distinct", func(t *testing.T) {
		pass(t, transforms.Distinct[small, int64]{Key: func(r *small) int64 { return r.A }, MaxMemory: limit, TempDir: folder}, asTheyCame)
	})
	check("GroupBy", func(t *testing.T) {
		pass(t, transforms.GroupBy[small, int64, small]{
			Key:       func(r *small) int64 { return r.A },
			Fold:      func(group, r *small) error { *group = *r; return nil },
			MaxMemory: limit, TempDir: folder,
		}, asTheyCame)
	})
	check("Sort", func(t *testing.T) {
		var last int64 = -1 << 63
		pass(t, transforms.Sort[small]{Compare: func(a, b *small) int { return cmp.Compare(a.A, b.A) }, MaxMemory: limit, TempDir: folder}, func(i int, r *small) error {
			if r.A <= last && i > 0 {
				return fmt.Errorf("record %d, %+v, comes after %d", i, *r, last)
			}
			last = r.A
			return nil
		})
	})
	check("Lookup", func(t *testing.T) {
		pass(t, transforms.Lookup[small, small, int64]{
			Reference:    distinctKeys(records),
			Key:          func(r *small) int64 { return r.A },
			ReferenceKey: func(r *small) int64 { return r.A },
			Enrich:       func(r, ref *small) error { r.C = ref.B; return nil },
			MaxMemory:    limit, TempDir: folder,
		}, func(i int, r *small) error {
			if r.C != int64(i) {
				return fmt.Errorf("record %d is %+v", i, *r)
			}
			return asTheyCame(i, r)
		})
	})
}
