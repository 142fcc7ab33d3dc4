package parquet

import (
	"cmp"
	"context"
	"fmt"
	"unsafe"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/files"
	"github.com/millrace/millrace/pipeline"
)

// Sink writes records of type T, a struct, into a Parquet file, packed by Snappy. What it writes, [Source] reads back with
// the same struct; a record that the file cannot hold as it is becomes a reject.
//
// The file is a unit of the run, as [files.Output] says: it appears under its name, whole, when the run commits.
//
// A row group ends after about 12 MiB as packed, and is held in memory until then.
//
// The whole input goes through one call: pipeline.Parallel is an error.
type Sink[T any] struct {
	// Path is the target. On a disk its folder must be there.
	Path string

	// Store is where the target is: a bucket of module blob, say. Defaults to this machine's disk.
	Store files.Writable
}

const (
	groupBytes = 12 << 20
	// firstRows is how many rows the first row group has, which tells how large rows are.
	firstRows       = 20_000
	leastRows       = 1_000
	mostRows  int64 = 1_000_000
)

func (s Sink[T]) output() files.Output {
	return files.Output{Path: s.Path, Store: s.Store, Compression: files.Plain}
}

// Serial says that the whole input goes through one call.
func (Sink[T]) Serial() {}

// Describe says which file it is.
func (s Sink[T]) Describe() string { return "Parquet " + s.output().Describe() }

// Validate checks the type, and that the target is a file, or can become one.
func (s Sink[T]) Validate(ctx context.Context) error {
	if _, _, err := s.check(); err != nil {
		return err
	}
	return s.output().Validate(ctx)
}

func (s Sink[T]) check() (*pq.Schema, check, error) {
	schema, err := schemaOf[T]()
	var c check
	if err == nil {
		c, err = checkOf[T](schema)
	}
	if err != nil {
		return nil, nil, pipeline.Permanent(fmt.Errorf("parquet.Sink: %w", err))
	}
	return schema, c, nil
}

// Load writes the records.
func (s Sink[T]) Load(ctx context.Context, in *pipeline.Reader[T]) error {
	schema, check, err := s.check()
	if err != nil {
		return err
	}
	file, err := s.output().Create(ctx)
	if err != nil {
		return err
	}
	w := &writing[T]{file: file, limit: firstRows, checked: make(chan []T, 2), written: make(chan written[T], 4)}
	w.rows = pq.NewGenericWriter[T](file, schema, pq.Compression(&pq.Snappy), pq.MaxRowsPerRowGroup(mostRows),
		pq.CreatedBy("millrace", "", ""))
	go w.run()
	err = w.pass(in, check)
	close(w.checked)
	for done := range w.written {
		in.AddBytes(done.bytes)
		err = cmp.Or(err, done.err)
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// writing is a file that is being written. Its goroutine turns records into columns while the next ones are checked.
//
//	pass: check, reject ──checked──▶ run: columns, pages, row groups ──written──▶ pass: recycle
type writing[T any] struct {
	file    *files.Writer
	rows    *pq.GenericWriter[T]
	checked chan []T
	written chan written[T]

	limit   int64 // rows of the group under way
	group   int64 // rows in it so far
	flushed int64 // bytes
}

// written tells of a batch.
type written[T any] struct {
	batch []T
	bytes int64
	err   error
}

// pass sends on what the file can hold.
func (w *writing[T]) pass(in *pipeline.Reader[T], check check) error {
	for batch, err := range in.Batches() {
		if err != nil {
			return err
		}
		if batch, err = sound(batch, check, in); err != nil {
			return err
		}
		for sent := false; !sent; {
			select {
			case w.checked <- batch:
				sent = true
			case done := <-w.written:
				if done.err != nil {
					return done.err
				}
				in.AddBytes(done.bytes)
				in.Recycle(done.batch)
			}
		}
	}
	return nil
}

// sound rejects the records that the file cannot hold, and moves the others to the front.
func sound[T any](batch []T, check check, in *pipeline.Reader[T]) ([]T, error) {
	if check == nil {
		return batch, nil
	}
	n := 0
	for i := range batch {
		if bad := check(unsafe.Pointer(&batch[i])); bad != nil {
			if err := in.Reject(&batch[i], pipeline.Reject{Column: bad.column, Value: bad.value, Reason: bad.reason}); err != nil {
				return nil, err
			}
			continue
		}
		if n != i {
			batch[n] = batch[i]
		}
		n++
	}
	return batch[:n], nil
}

// run writes what it is sent, and the footer at the end. After an error it writes no more.
func (w *writing[T]) run() {
	defer close(w.written)
	var failed error
	before := int64(0)
	tell := func(batch []T, err error) {
		failed = err
		w.written <- written[T]{batch, w.file.Bytes() - before, err}
		before = w.file.Bytes()
	}
	for batch := range w.checked {
		if failed == nil {
			tell(batch, guarded(func() error { return w.write(batch) }))
		}
	}
	if failed == nil {
		tell(nil, guarded(w.rows.Close))
	}
}

func (w *writing[T]) write(batch []T) error {
	if _, err := w.rows.Write(batch); err != nil {
		return err
	}
	if w.group += int64(len(batch)); w.group < w.limit {
		return nil
	}
	if err := w.rows.Flush(); err != nil {
		return err
	}
	if took := w.file.Bytes() - w.flushed; took > 0 {
		w.limit = max(leastRows, min(mostRows, groupBytes*w.group/took))
	}
	w.group, w.flushed = 0, w.file.Bytes()
	return nil
}

// Datasets says which file is written.
func (s Sink[T]) Datasets(ctx context.Context) ([]pipeline.Dataset, error) {
	return s.output().Datasets(ctx)
}

// Finish completes a commit that was cut short between the databases and the file.
func (s Sink[T]) Finish(ctx context.Context) error { return s.output().Finish(ctx) }
