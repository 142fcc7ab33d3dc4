package transforms

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// Join puts the records of two streams together whose keys are equal: one Out for each
// pair. It is a pipeline.Transform2, for pipeline.Via2.
//
//	lines := pipeline.Via2(orders, customers, "join", transforms.Join[Order, Customer, int64, Line]{
//		LeftKey:     func(o *Order) int64 { return o.CustomerID },
//		RightKey:    func(c *Customer) int64 { return c.ID },
//		Combine:     func(o *Order, c *Customer, line *Line) error { *line = Line{o.ID, c.Name}; return nil },
//		LeftMisses:  transforms.RejectMisses, // an order without a customer is a mistake,
//		RightMisses: transforms.DropMisses,   // a customer without an order is not
//	})
//
// What becomes of records without a partner is said for each side. In the words of SQL:
//
//	            LeftMisses   RightMisses
//	inner join  DropMisses   DropMisses
//	left join   KeepMisses   DropMisses
//	full join   KeepMisses   KeepMisses
//
// The right stream is read to its end first and held in memory: let it be the smaller one. Then the left one is
// read, and its order is that of the output; the partners of one record come in the order of the
// right stream. Records of the right that have no partner come last, in the order in which
// their keys were first seen.
//
// What exceeds MaxMemory goes to temporary files, by the hash of its key, and so do the records of the left that
// have their partners there; the result and its order stay the same. All records of the right with
// one key must fit. Where the right has each key once, and no other stage reads it, [Lookup]
// is simpler.
type Join[A, B any, K comparable, Out any] struct {
	// LeftKey returns what a record of the left stream is joined by. Required. Keys are compared by
	// ==, so that NaN has no partner. For several columns return an array, or a struct. The same
	// record must have the same key when asked again.
	LeftKey func(left *A) K

	// RightKey returns what a record of the right stream is joined by. Required.
	RightKey func(right *B) K

	// Combine fills in made, which starts as the zero value. Required. It is called for
	// each pair, and with nil for what is missing where misses are kept. It must not change left and right, which
	// may have more partners. An error fails the run, unless it is made by [Reject]:
	// then the record of the left is set aside, or that of the right where there is none.
	Combine func(left *A, right *B, made *Out) error

	// LeftMisses and RightMisses say what to do with a record that has no partner. Default to RejectMisses,
	// which fails the run unless its budget allows rejects: nothing is lost in silence.
	LeftMisses, RightMisses Misses

	// Column is the name of the key's column, for rejects. Defaults to none.
	Column string

	// MaxMemory is in bytes: what the right stream may hold before Join goes on in
	// temporary files. Defaults to [DefaultMaxMemory]. What [GroupBy] says of In, K and Out holds for
	// A, B, K and Out.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Describe says which join it is, where SQL has a word for it.
func (j Join[A, B, K, Out]) Describe() string {
	switch [2]Misses{j.LeftMisses, j.RightMisses} {
	case [2]Misses{DropMisses, DropMisses}:
		return "inner join"
	case [2]Misses{KeepMisses, DropMisses}:
		return "left join"
	case [2]Misses{DropMisses, KeepMisses}:
		return "right join"
	case [2]Misses{KeepMisses, KeepMisses}:
		return "full join"
	}
	return "join"
}

// Validate checks that both keys and Combine are there.
func (j Join[A, B, K, Out]) Validate(context.Context) error {
	err := missing("Join", function{"LeftKey", j.LeftKey == nil}, function{"RightKey", j.RightKey == nil},
		function{"Combine", j.Combine == nil})
	if err != nil {
		return err
	}
	if err := j.LeftMisses.validate("Join", "LeftMisses"); err != nil {
		return err
	}
	if err := j.RightMisses.validate("Join", "RightMisses"); err != nil {
		return err
	}
	return j.memory().validate(spill.CheckKey[K](), canSpill[A](), canSpill[B](), canSpill[Out]())
}

func (j Join[A, B, K, Out]) memory() memory { return memory{"Join", j.MaxMemory, j.TempDir} }

// Transform joins the whole of both inputs.
func (j Join[A, B, K, Out]) Transform(
	ctx context.Context, left *pipeline.Reader[A], right *pipeline.Reader[B], out *pipeline.Writer[Out],
) (err error) {
	job := j.job(ctx, left, right, out)
	defer closeFolder(job.folder, &err)
	top := job.level(0)
	for batch, err := range right.Batches() {
		if err != nil {
			return err
		}
		for i := range batch {
			if err := top.add(job.rights, &batch[i]); err != nil {
				return err
			}
			job.rights++
		}
		right.Recycle(batch)
	}
	for batch, err := range left.Batches() {
		if err != nil {
			return err
		}
		if err := top.probe(batch); err != nil {
			return err
		}
		left.Recycle(batch)
	}
	return job.finish(top)
}

// leftMiss is what becomes of a record of the left without a partner.
func (j *joining[A, B, K, Out]) leftMiss(ordinal uint64, key K, record *A) error {
	switch j.LeftMisses {
	case KeepMisses:
		return j.combine(ordinal, record, nil)
	case RejectMisses:
		return j.left.Reject(record, j.miss(key, "right"))
	}
	return nil
}

// rightMiss is what becomes of a record of the right without a partner.
func (j *joining[A, B, K, Out]) rightMiss(ordinal uint64, key K, record *B) error {
	switch j.RightMisses {
	case KeepMisses:
		return j.combine(j.lefts+ordinal, nil, record)
	case RejectMisses:
		return j.right.Reject(record, j.miss(key, "left"))
	}
	return nil
}

func (j *joining[A, B, K, Out]) miss(key K, where string) pipeline.Reject {
	return pipeline.Reject{
		Column: j.Column, Value: fmt.Sprint(key), Reason: "has no partner in the " + where + " stream",
	}
}

// combine makes one record, and passes it on or keeps it until those before it are there.
func (j *joining[A, B, K, Out]) combine(ordinal uint64, left *A, right *B) error {
	var none Out
	if j.waits {
		j.one = none
		if err := j.Combine(left, right, &j.one); err != nil {
			return j.setAside(err, left, right)
		}
		return j.runs.Write(ordinal, &j.one)
	}
	n := len(j.made)
	if n == cap(j.made) {
		if err := j.flush(); err != nil {
			return err
		}
		j.made, n = j.out.NewBatch(), 0
	}
	j.made = j.made[:n+1]
	j.made[n] = none
	if err := j.Combine(left, right, &j.made[n]); err != nil {
		j.made = j.made[:n]
		return j.setAside(err, left, right)
	}
	return nil
}

func (j *joining[A, B, K, Out]) setAside(err error, left *A, right *B) error {
	if left != nil {
		return setAside(j.left.Reject, left, err)
	}
	return setAside(j.right.Reject, right, err)
}

// flush writes what is made.
func (j *joining[A, B, K, Out]) flush() error {
	made := j.made
	j.made = nil
	return j.out.WriteBatch(made)
}
