// Package filestest checks that a store keeps the rules of package files, so that a place which somebody adds can
// be relied upon as those that are there.
package filestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/millrace/millrace/files"
)

// TB is what the checks need of a testing.TB.
type TB interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// CheckWritable checks a store that can be written to. Everything happens below folder, a name that ends in '/', or "";
// nothing may be there at the beginning, and nothing is at the end.
func CheckWritable(t TB, store files.Writable, folder string) {
	t.Helper()
	c := checker{TB: t, store: store, writable: store}
	names := []string{"a.", "a.csv", "a/b.csv", "a/c/d.csv", "b é.csv"}
	for i, name := range names {
		c.create(folder+name, content(i))
	}
	c.reading(folder, names)

	// A draft is not seen before its end, and not at all if it is dropped.
	for _, end := range []string{"closed", "aborted"} {
		draft, err := store.Create(t.Context(), folder+"draft.csv")
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		c.write(draft, []byte("half"))
		c.absent(folder + "draft.csv")
		c.list(folder, "", names)
		if end == "aborted" {
			c.must(draft.Abort())
			c.absent(folder + "draft.csv")
			continue
		}
		c.write(draft, []byte(" whole"))
		c.must(draft.Close())
		c.must(draft.Abort()) // does nothing
		c.holds(folder+"draft.csv", []byte("half whole"))
		c.must(store.Remove(t.Context(), folder+"draft.csv"))
	}

	// A draft replaces what has its name, and a version tells the two apart.
	before := c.stat(folder + "a.csv")
	c.create(folder+"a.csv", []byte("another"))
	c.holds(folder+"a.csv", []byte("another"))
	if after := c.stat(folder + "a.csv"); before.Version != "" {
		if after.Version == before.Version {
			t.Errorf("the version %q is the same though the content is another", after.Version)
		}
		if got, err := c.read(before, 0, -1); !errors.Is(err, files.ErrChanged) {
			t.Errorf("opening a version that is gone gave %q and %v, want ErrChanged", got, err)
		}
	}

	// Move replaces, and once more is harmless.
	c.must(store.Move(t.Context(), folder+"a.csv", folder+"b é.csv"))
	c.absent(folder + "a.csv")
	c.holds(folder+"b é.csv", []byte("another"))
	if err := store.Move(t.Context(), folder+"a.csv", folder+"b é.csv"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("moving once more gave %v, want fs.ErrNotExist", err)
	}
	c.holds(folder+"b é.csv", []byte("another"))

	for _, name := range names {
		c.must(store.Remove(t.Context(), folder+name)) // one of them is gone already
	}
	c.list(folder, "", nil)
}

// Check checks a store that can be read only, in which are the files of want, by name and content, below folder.
func Check(t TB, store files.Store, folder string, want map[string][]byte) {
	t.Helper()
	c := checker{TB: t, store: store}
	var names []string
	for name, content := range want {
		names = append(names, name)
		c.ranges(folder+name, content)
	}
	c.absent(folder + "no such file")
	c.list(folder, "", names)
}

type checker struct {
	TB
	store    files.Store
	writable files.Writable
}

func content(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("line %d\n", i)), 1000*i) }

func (c checker) reading(folder string, names []string) {
	c.Helper()
	for i, name := range names {
		c.ranges(folder+name, content(i))
	}
	c.absent(folder + "no such file")
	c.list(folder, "", names)
	c.list(folder, "a", slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "a") }))
	c.list(folder, "a/c/", []string{"a/c/d.csv"})
	c.list(folder, "nothing", nil)
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	if r, err := c.store.Open(ctx, c.stat(folder+names[2]), 0, -1); err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
		if err == nil {
			c.Errorf("a read whose context has ended goes on")
		}
	}
}

func (c checker) must(err error) {
	c.Helper()
	if err != nil {
		c.Errorf("%v", err)
	}
}

func (c checker) write(w io.Writer, b []byte) {
	c.Helper()
	if n, err := w.Write(b); n != len(b) || err != nil {
		c.Errorf("write: %d bytes of %d, %v", n, len(b), err)
	}
}

func (c checker) create(name string, content []byte) {
	c.Helper()
	draft, err := c.writable.Create(c.Context(), name)
	if err != nil {
		c.Fatalf("create: %v", err)
	}
	c.write(draft, content)
	c.must(draft.Close())
}

func (c checker) stat(name string) files.Info {
	c.Helper()
	info, err := c.store.Stat(c.Context(), name)
	if err != nil {
		c.Fatalf("stat: %v", err)
	}
	if info.Name != name {
		c.Errorf("stat of %q names it %q", name, info.Name)
	}
	return info
}

func (c checker) read(info files.Info, from, to int64) ([]byte, error) {
	c.Helper()
	r, err := c.store.Open(c.Context(), info, from, to)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (c checker) holds(name string, want []byte) {
	c.Helper()
	info := c.stat(name)
	if got, err := c.read(info, 0, -1); err != nil || !bytes.Equal(got, want) || info.Size >= 0 && info.Size != int64(len(want)) {
		c.Errorf("%s: %d bytes by Stat; read %.40q and %v, want %.40q", name, info.Size, got, err, want)
	}
}

// ranges reads the whole and parts.
func (c checker) ranges(name string, want []byte) {
	c.Helper()
	c.holds(name, want)
	info, size := c.stat(name), int64(len(want))
	for _, r := range [][2]int64{{0, size}, {0, size / 2}, {size / 2, size}, {size / 3, size / 2}, {size, -1}, {size / 2, -1}} {
		to := r[1]
		if to < 0 {
			to = size
		}
		if r[0] == to {
			continue // nothing: a server may say so in its own way
		}
		if got, err := c.read(info, r[0], r[1]); err != nil || !bytes.Equal(got, want[r[0]:to]) {
			c.Errorf("%s: from %d to %d: %d bytes and %v, want %d", name, r[0], r[1], len(got), err, to-r[0])
		}
	}
}

func (c checker) absent(name string) {
	c.Helper()
	if info, err := c.store.Stat(c.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		c.Errorf("stat of %q gave %+v and %v, want fs.ErrNotExist", name, info, err)
	}
	r, err := c.store.Open(c.Context(), files.Info{Name: name, Size: -1}, 0, -1)
	if err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.Errorf("open of %q gave %v, want fs.ErrNotExist", name, err)
	}
}

// list compares what the store lists below folder, of the names that begin with prefix, with want.
func (c checker) list(folder, prefix string, want []string) {
	c.Helper()
	var got []string
	for info, err := range c.store.List(c.Context(), folder+prefix) {
		if errors.Is(err, errors.ErrUnsupported) {
			return
		}
		if err != nil {
			c.Errorf("list %q: %v", folder+prefix, err)
			return
		}
		got = append(got, strings.TrimPrefix(info.Name, folder))
	}
	if want := slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		c.Errorf("list %q gave %q, want %q, sorted", folder+prefix, got, want)
	}
}
