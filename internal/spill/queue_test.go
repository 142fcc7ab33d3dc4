package spill

import (
	"testing"

	"pgregory.net/rapid"
)

func TestAQueueGivesBackInOrderHoweverItIsUsed(t *testing.T) {
	codec := must(NewCodec[record]())(t)
	rapid.Check(t, func(r *rapid.T) {
		folder := NewFolder("", 1)
		defer folder.Close()
		q := NewQueue(folder, codec)
		q.size = 1 << 10
		var model []record
		for range rapid.IntRange(1, 20).Draw(r, "turns") {
			for _, in := range records().Draw(r, "in") {
				check(t, q.Write(&in))
				model = append(model, in)
			}
			for range rapid.IntRange(0, 40).Draw(r, "out") {
				var got record
				ok, err := q.Read(&got)
				check(t, err)
				if ok != (len(model) > 0) {
					r.Fatalf("read says %v with %d records", ok, len(model))
				}
				if !ok {
					break
				}
				if !equal(got, model[0]) {
					r.Fatalf("got %v, want %v", got, model[0])
				}
				model = model[1:]
			}
			if q.Len() != int64(len(model)) {
				r.Fatalf("length %d, want %d", q.Len(), len(model))
			}
		}
	})
}

func TestAQueueGivesRoomBackAsItIsRead(t *testing.T) {
	folder := NewFolder(t.TempDir(), 1<<20)
	defer folder.Close()
	q := NewQueue(folder, must(NewCodec[string]())(t))
	q.size = 64 << 10
	large := string(make([]byte, 16<<10))
	for range 60 {
		check(t, q.Write(&large))
	}
	before := len(folder.files)
	for range 40 {
		var s string
		if ok, err := q.Read(&s); !ok || err != nil || s != large {
			t.Fatalf("read %v, %v, %d bytes", ok, err, len(s))
		}
	}
	if after := len(folder.files); before < 6 || after > before/2 {
		t.Errorf("%d files before, %d after two thirds were read", before, after)
	}
	q.Close()
	if len(folder.files) != 0 {
		t.Errorf("%d files are left", len(folder.files))
	}
}
