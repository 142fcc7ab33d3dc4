package spill

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type record struct {
	Key  string
	N    int64
	List []byte
}

func records() *rapid.Generator[[]record] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) record {
		return record{rapid.StringN(0, 4, -1).Draw(t, "key"), rapid.Int64Range(0, 50).Draw(t, "n"), rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "list")}
	}), 0, 800)
}

func equal(a, b record) bool { return a.Key == b.Key && a.N == b.N && bytes.Equal(a.List, b.List) }

func TestPartitionsKeepEachRecordOnceAndInOrder(t *testing.T) {
	parent := t.TempDir()
	codec := must(NewCodec[record]())(t)
	rapid.Check(t, func(rt *rapid.T) {
		in, depth := records().Draw(rt, "records"), rapid.IntRange(0, MaxDepth-1).Draw(rt, "depth")
		folder := NewFolder(parent, rapid.Int64Range(1, 1<<20).Draw(rt, "memory"))
		defer folder.Close()
		parts := NewPartitions(folder, codec, depth)
		var want [Fanout][]int
		for i := range in {
			part := int(in[i].N % Fanout)
			hash := uint64(part) << (64 - 4*(depth+1))
			if parts.Part(hash) != part {
				rt.Fatalf("depth %d: hash %x goes to part %d", depth, hash, parts.Part(hash))
			}
			want[part] = append(want[part], i)
			check(t, parts.Write(hash, uint64(i), &in[i]))
		}
		check(t, parts.Flush())
		for part, places := range want {
			if int(parts.Len(part)) != len(places) {
				rt.Fatalf("part %d has %d records, want %d", part, parts.Len(part), len(places))
			}
			read := 0
			check(t, parts.Read(part, func(ordinal uint64, r *record) error {
				if place := places[read]; int(ordinal) != place || !equal(*r, in[place]) {
					return fmt.Errorf("record %d is %v, want number %d, %v", ordinal, r, place, in[place])
				}
				read++
				return nil
			}))
			if read != len(places) {
				rt.Fatalf("part %d has %d records, want %d", part, read, len(places))
			}
		}
		check(t, folder.Close())
		if left := names(t, parent); len(left) > 0 {
			rt.Fatalf("left: %q", left)
		}
	})
}

func TestRunsMergeInOrder(t *testing.T) {
	parent := t.TempDir()
	codec := must(NewCodec[record]())(t)
	rapid.Check(t, func(rt *rapid.T) {
		in, length := records().Draw(rt, "records"), rapid.IntRange(1, 100).Draw(rt, "length of a run")
		folder := NewFolder(parent, rapid.Int64Range(1, 1<<16).Draw(rt, "memory"))
		defer folder.Close()
		byKey := func(a, b *record) int { return strings.Compare(a.Key, b.Key) }
		runs := NewRuns(folder, codec, byKey)
		place := 0
		for chunk := range slices.Chunk(slices.Clone(in), length) {
			places := make([]int, len(chunk))
			for i := range places {
				places[i] = place + i
			}
			place += len(chunk)
			slices.SortStableFunc(places, func(a, b int) int { return byKey(&in[a], &in[b]) })
			for _, p := range places {
				check(t, runs.Write(uint64(p), &in[p]))
			}
			check(t, runs.EndRun())
			check(t, runs.EndRun()) // one without records is none
		}
		want := slices.Clone(in)
		slices.SortStableFunc(want, func(a, b record) int { return byKey(&a, &b) })
		got := 0
		check(t, runs.Merge(func(r *record) error {
			if !equal(*r, want[got]) {
				return fmt.Errorf("record %d is %v, want %v", got, r, want[got])
			}
			got++
			return nil
		}))
		if got != len(want) {
			rt.Fatalf("%d records, want %d", got, len(want))
		}
	})
}

func TestAnErrorOfTheReaderEndsIt(t *testing.T) {
	stop := errors.New("stop")
	folder := NewFolder(t.TempDir(), 1<<20)
	defer folder.Close()
	codec := must(NewCodec[int64]())(t)
	parts, runs := NewPartitions(folder, codec, 0), NewRuns(folder, codec, nil)
	for i := range int64(10) {
		check(t, parts.Write(0, 0, &i))
		check(t, runs.Write(uint64(i), &i))
	}
	check(t, parts.Flush())
	if err := parts.Read(0, func(uint64, *int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("partitions: %v", err)
	}
	if err := runs.Merge(func(*int64) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("runs: %v", err)
	}
}

func TestARecordLargerThanABlockComesBack(t *testing.T) {
	folder := NewFolder(t.TempDir(), 1)
	defer folder.Close()
	parts := NewPartitions(folder, must(NewCodec[string]())(t), 0)
	in := []string{"small", strings.Repeat("x", 1<<20), "small"}
	for i := range in {
		check(t, parts.Write(0, uint64(i), &in[i]))
	}
	check(t, parts.Flush())
	var got []string
	check(t, parts.Read(0, func(_ uint64, s *string) error { got = append(got, *s); return nil }))
	if !slices.Equal(got, in) {
		t.Errorf("%d records came back", len(got))
	}
}

// written returns the bytes of a file with these records.
func written(t testing.TB, in ...string) []byte {
	folder := NewFolder(t.TempDir(), 1)
	defer folder.Close()
	file := must(folder.create())(t)
	w := writer[string]{file: file, codec: must(NewCodec[string]())(t)}
	for i := range in {
		check(t, w.write(uint64(i), &in[i]))
	}
	check(t, w.flush())
	b := make([]byte, file.size)
	check(t, readFull(file.os, b, 0))
	return b
}

// read reads all there is.
func read(t testing.TB, b []byte, size int64) (got []string, err error) {
	var buf []byte
	r := &reader[string]{from: bytes.NewReader(b), end: size, where: "folder", codec: must(NewCodec[string]())(t), buf: &buf}
	for {
		var s string
		_, ok, err := r.next(&s)
		if err != nil || !ok {
			return got, err
		}
		got = append(got, s)
	}
}

func TestATornOrChangedFileIsAnError(t *testing.T) {
	in := []string{strings.Repeat("a", 600), "b", strings.Repeat("c", 600)}
	whole := written(t, in...)
	if got, err := read(t, whole, int64(len(whole))); err != nil || !slices.Equal(got, in) {
		t.Fatalf("whole: %d records, error %v", len(got), err)
	}
	for n := range whole {
		if _, err := read(t, whole[:n], int64(len(whole))); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "spill folder folder: ") {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		changed := slices.Clone(whole)
		changed[n] ^= 0x10
		if got, err := read(t, changed, int64(len(whole))); err == nil {
			t.Fatalf("byte %d was changed, and %q came back", n, got)
		}
	}
}

func FuzzReader(f *testing.F) {
	whole := written(f, "one", strings.Repeat("two", 300), "three")
	f.Add(whole, int64(len(whole)))
	f.Add(whole[:len(whole)-5], int64(len(whole)))
	f.Add(whole[:20], int64(3))
	f.Add([]byte("\x05\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"), int64(13))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		size = max(size, 0)
		got, err := read(t, b, size)
		if err == nil && size > int64(len(b)) {
			t.Fatalf("%d bytes of %d are %q", len(b), size, got)
		}
	})
}

func TestNothingIsMadeBeforeItIsNeeded(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "is not there")
	folder := NewFolder(parent, 1)
	parts := NewPartitions(folder, must(NewCodec[int]())(t), 0)
	check(t, parts.Flush())
	check(t, parts.Read(0, func(uint64, *int) error { return errors.New("a record") }))
	check(t, NewRuns(folder, must(NewCodec[int]())(t), nil).Merge(func(*int) error { return errors.New("a record") }))
	if err := parts.Write(0, 0, new(int)); !errors.Is(err, fs.ErrNotExist) || err.Error() != "spill folder "+parent+": no such file or directory" {
		t.Errorf("error %v", err)
	}
	check(t, folder.Close())
	check(t, folder.Close())
	if err := NewRuns(folder, must(NewCodec[int]())(t), nil).Write(0, new(int)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAFileThatFailsNamesItsFolder(t *testing.T) {
	parent := t.TempDir()
	folder := NewFolder(parent, 1)
	defer folder.Close()
	parts := NewPartitions(folder, must(NewCodec[int]())(t), 0)
	check(t, parts.Write(0, 0, new(int)))
	check(t, parts.parts[0].w.file.os.Close())
	err := parts.Flush()
	if err == nil || !strings.HasPrefix(err.Error(), "spill folder "+filepath.Join(parent, Prefix)) || !errors.Is(err, os.ErrClosed) {
		t.Errorf("writing: %v", err)
	}
	if err := parts.Read(0, func(uint64, *int) error { return nil }); err != nil {
		t.Errorf("nothing was written, so there is nothing to read: %v", err)
	}
}
