package transforms

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/pipeline"
)

// Sessions of one key are one group, so that they are together whatever the order in which
// records come: a list by time, into which each record is folded, and where one that
// comes between two sessions joins them.

// sessions are those of one key. Its fields are exported for the sake of temporary files, and so
// are those of session.
type sessions[K comparable, Out any] struct {
	Key  K
	List []session[Out] // by time, more than a gap apart
}

type session[Out any] struct {
	First, Last int64 // the times of records
	Group       Out
}

func (w *Window[In, K, Out]) sessions() GroupBy[In, K, sessions[K, Out]] {
	return GroupBy[In, K, sessions[K, Out]]{
		Key:       orOneKey(w.Key),
		New:       func(key K) sessions[K, Out] { return sessions[K, Out]{Key: key} },
		Fold:      w.foldSession,
		Merge:     w.mergeSessions,
		MaxMemory: w.MaxMemory,
		TempDir:   w.TempDir,
	}
}

// foldSession folds a record into the session that it belongs to.
func (w *Window[In, K, Out]) foldSession(s *sessions[K, Out], record *In) error {
	at, err := w.at(record)
	if err != nil {
		return err
	}
	gap := int64(w.Gap)
	// The first session that is not over when the record comes. Mostly it is the last one.
	i := len(s.List)
	if i > 0 && at < s.List[i-1].Last+gap {
		i, _ = slices.BinarySearchFunc(s.List, at, func(one session[Out], at int64) int {
			return cmp.Compare(one.Last+gap, at+1)
		})
	}
	if i == len(s.List) || at <= s.List[i].First-gap {
		one := session[Out]{First: at, Last: at}
		if w.New != nil {
			one.Group = w.New(s.Key)
		}
		if err := w.Fold(&one.Group, record); err != nil {
			return err
		}
		s.List = slices.Insert(s.List, i, one)
		return nil
	}
	one := &s.List[i]
	if err := w.Fold(&one.Group, record); err != nil {
		return err
	}
	one.First, one.Last = min(one.First, at), max(one.Last, at)
	if i+1 < len(s.List) && s.List[i+1].First < one.Last+gap {
		if err := w.join(one, &s.List[i+1]); err != nil {
			return err
		}
		s.List = slices.Delete(s.List, i+1, i+2)
	}
	return nil
}

// join adds a session to one that begins before it, or at the same time.
func (w *Window[In, K, Out]) join(into, from *session[Out]) error {
	into.Last = max(into.Last, from.Last)
	return w.Merge(&into.Group, &from.Group)
}

// mergeSessions adds the sessions of one lane to those of another.
func (w *Window[In, K, Out]) mergeSessions(into, from *sessions[K, Out]) error {
	all := append(into.List, from.List...)
	slices.SortStableFunc(all, func(a, b session[Out]) int { return cmp.Compare(a.First, b.First) })
	kept := 0
	for i := 1; i < len(all); i++ {
		if all[i].First < all[kept].Last+int64(w.Gap) {
			if err := w.join(&all[kept], &all[i]); err != nil {
				return err
			}
			continue
		}
		kept++
		all[kept] = all[i]
	}
	clear(all[min(kept+1, len(all)):])
	into.List = all[:min(kept+1, len(all))]
	return nil
}

func (w *Window[In, K, Out]) writeSessions(out *pipeline.Writer[Out]) func(*sessions[K, Out]) error {
	return func(s *sessions[K, Out]) error {
		for i := range s.List {
			one := &s.List[i]
			w.bounds(&one.Group, one.First, one.Last+int64(w.Gap))
			if err := out.Write(one.Group); err != nil {
				return err
			}
		}
		return nil
	}
}
