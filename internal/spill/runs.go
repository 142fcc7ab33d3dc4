package spill

import "container/heap"

// Runs holds records in sorted runs, and merges them into one.
type Runs[T any] struct {
	folder  *Folder
	codec   *Codec[T]
	compare func(a, b *T) int
	w       writer[T]
	begin   int64 // of the run that is being written
	runs    []run
}

// run is a part of a file.
type run struct {
	file       *file
	begin, end int64
}

// NewRuns returns a place for runs that are sorted by compare and then by
// ordinal, by ordinal alone when compare is nil.
func NewRuns[T any](folder *Folder, codec *Codec[T], compare func(a, b *T) int) *Runs[T] {
	return &Runs[T]{folder: folder, codec: codec, compare: compare}
}

// Write adds a record to the run that is being written, which it must not sort before.
func (r *Runs[T]) Write(ordinal uint64, record *T) error {
	if r.w.file == nil {
		file, err := r.folder.create()
		if err != nil {
			return err
		}
		r.w, r.begin = writer[T]{file: file, codec: r.codec}, 0
	}
	return r.w.write(ordinal, record)
}

// EndRun ends the run that is being written; the next Write begins another.
func (r *Runs[T]) EndRun() error {
	if r.w.file == nil {
		return nil
	}
	if err := r.w.flush(); err != nil {
		return err
	}
	if end := r.w.file.size; end > r.begin {
		r.runs = append(r.runs, run{r.w.file, r.begin, end})
		r.begin = end
	}
	return nil
}

// Merge ends the last run and calls f with the records of all in their order.
// The record is used again.
func (r *Runs[T]) Merge(f func(record *T) error) error {
	if err := r.EndRun(); err != nil {
		return err
	}
	for len(r.runs) > r.folder.fanIn {
		if err := r.pass(); err != nil {
			return err
		}
	}
	old := r.w.file
	r.w = writer[T]{}
	if old != nil {
		defer old.close()
	}
	return r.merge(r.runs, func(_ uint64, record *T) error { return f(record) })
}

// pass merges as many runs into one as can be read side by side, all over.
func (r *Runs[T]) pass() error {
	old, runs := r.w.file, r.runs
	r.w, r.runs = writer[T]{}, nil
	for len(runs) > 0 {
		n := min(len(runs), r.folder.fanIn)
		if err := r.merge(runs[:n], r.Write); err != nil {
			return err
		}
		if err := r.EndRun(); err != nil {
			return err
		}
		runs = runs[n:]
	}
	old.close()
	return nil
}

func (r *Runs[T]) merge(runs []run, f func(ordinal uint64, record *T) error) error {
	var buf []byte
	heads := &heads[T]{compare: r.compare}
	for _, run := range runs {
		h := &head[T]{reader: newReader(run.file, run.begin, run.end, r.codec, &buf)}
		if ok, err := h.advance(); err != nil {
			return err
		} else if ok {
			heads.list = append(heads.list, h)
		}
	}
	heap.Init(heads)
	for len(heads.list) > 0 {
		first := heads.list[0]
		if err := f(first.ordinal, &first.record); err != nil {
			return err
		}
		ok, err := first.advance()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(heads, 0)
		} else {
			heap.Pop(heads)
		}
	}
	return nil
}

// head is the next record of a run.
type head[T any] struct {
	reader  *reader[T]
	ordinal uint64
	record  T
}

func (h *head[T]) advance() (ok bool, err error) {
	h.ordinal, ok, err = h.reader.next(&h.record)
	return ok, err
}

// heads is a heap: the record that comes first is at its top.
type heads[T any] struct {
	list    []*head[T]
	compare func(a, b *T) int
}

func (h *heads[T]) Len() int { return len(h.list) }

func (h *heads[T]) Less(i, j int) bool {
	a, b := h.list[i], h.list[j]
	if h.compare != nil {
		if c := h.compare(&a.record, &b.record); c != 0 {
			return c < 0
		}
	}
	return a.ordinal < b.ordinal
}

func (h *heads[T]) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }

func (h *heads[T]) Push(x any) { h.list = append(h.list, x.(*head[T])) }

func (h *heads[T]) Pop() any {
	last := h.list[len(h.list)-1]
	h.list = h.list[:len(h.list)-1]
	return last
}
