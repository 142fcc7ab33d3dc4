package spill

// segmentSize is in bytes: a file of a Queue that has been read gives its room back, so that
// what goes in and out for long does not grow with all that went through.
const segmentSize = 64 << 20

// Queue holds records in files and gives them back in the order in which they came. It is for one goroutine
// at a time; records may be written and read in turns.
type Queue[T any] struct {
	folder   *Folder
	codec    *Codec[T]
	segments []*segment[T] // the oldest first; the last one is written to
	buf      []byte        // of the reader
	n        int64
	size     int64 // of a segment, in bytes
}

type segment[T any] struct {
	w writer[T]
	r *reader[T]
}

// NewQueue returns an empty queue.
func NewQueue[T any](folder *Folder, codec *Codec[T]) *Queue[T] {
	return &Queue[T]{folder: folder, codec: codec, size: segmentSize}
}

// Len returns the number of records that have been written and not read.
func (q *Queue[T]) Len() int64 { return q.n }

// Write adds a record.
func (q *Queue[T]) Write(record *T) error {
	last := len(q.segments) - 1
	if last >= 0 && q.segments[last].w.file.size >= q.size {
		if err := q.segments[last].w.flush(); err != nil {
			return err
		}
		last = -1
	}
	if last < 0 {
		file, err := q.folder.create()
		if err != nil {
			return err
		}
		s := &segment[T]{w: writer[T]{file: file, codec: q.codec}}
		s.r = newReader(file, 0, 0, q.codec, &q.buf)
		q.segments = append(q.segments, s)
		last = len(q.segments) - 1
	}
	if err := q.segments[last].w.write(0, record); err != nil {
		return err
	}
	q.n++
	return nil
}

// Read takes the oldest record. It returns false if there is none.
func (q *Queue[T]) Read(record *T) (ok bool, err error) {
	for q.n > 0 {
		first := q.segments[0]
		if first.r.text == "" && first.r.at == first.w.file.size {
			if err := first.w.flush(); err != nil {
				return false, err
			}
		}
		first.r.end = first.w.file.size
		_, ok, err := first.r.next(record)
		if err != nil {
			return false, err
		}
		if ok {
			if q.n--; q.n == 0 {
				q.Close()
			}
			return true, nil
		}
		first.w.file.close()
		q.segments = q.segments[1:]
	}
	return false, nil
}

// Close drops what is left.
func (q *Queue[T]) Close() {
	for _, s := range q.segments {
		s.w.file.close()
	}
	q.segments, q.n = nil, 0
}
