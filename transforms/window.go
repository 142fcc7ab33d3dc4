package transforms

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/internal/spill"
	"github.com/millrace/millrace/pipeline"
)

// Window folds the records of each window of time into one, by the time that each record
// has, and writes the results when its input has ended. With a Key it does so for each key.
//
//	Size: time.Hour                              tumbling   ├────┤├────┤├────┤
//	Size: time.Hour, Every: 15 * time.Minute     sliding    ├────┤
//	                                                         ├────┤
//	Gap: 30 * time.Minute                        session    ├──┤   ├───────┤ ├┤
//
// Windows are half-open: one that ends at 10:00 does not hold what happened at 10:00.
//
//	transforms.Window[Click, string, Session]{
//		Gap:    30 * time.Minute,
//		Time:   func(c *Click) time.Time { return c.At },
//		Key:    func(c *Click) string { return c.User },
//		New:    func(user string) Session { return Session{User: user} },
//		Fold:   func(s *Session, c *Click) error { s.Clicks++; return nil },
//		Merge:  func(into, from *Session) error { into.Clicks += from.Clicks; return nil },
//		Bounds: func(s *Session, start, end time.Time) { s.Start, s.End = start, end },
//	}
//
// It is for bounded data: records may come in any order of time, none is late, and a window
// without records is not written. Windows come in the order in which they were first seen;
// sessions by key in that order, those of one key by time. With pipeline.Parallel the order
// is not defined, except that the sessions of one key come together, by time.
//
// A record whose time is before 1700 or after 2250 (a time.Time that was never set, for
// example) is set aside, as by [Reject].
//
// Memory holds one Out for each window of each key. What exceeds MaxMemory goes to temporary files as in
// [GroupBy]; the sessions of one key must fit.
type Window[In any, K comparable, Out any] struct {
	// Time returns when a record happened. Required. The same record must have the same
	// time when asked again.
	Time func(record *In) time.Time

	// Size is how long a window is. Either Size or Gap is required.
	Size time.Duration

	// Every is the time from the start of one window to the start of the next. Windows overlap where it is
	// shorter than Size, and each record is then folded into all that hold it. It cannot
	// be longer. Defaults to Size.
	//
	// Windows start at multiples of Every since 1970-01-01 00:00 UTC. For days or months of a
	// calendar use [GroupBy] with the date as the key.
	Every time.Duration

	// Gap makes windows of sessions: a session ends when no record of its key follows
	// within Gap. It is as long as its records make it, and ends Gap after the last.
	Gap time.Duration

	// Key returns what a record is grouped by besides its window, as in [GroupBy]. Defaults to one group for
	// all records; K may then be struct{}.
	Key func(record *In) K

	// New starts a window. Defaults to the zero value of Out. The key it is given
	// is a copy that may be kept: it holds no other text in memory.
	New func(key K) Out

	// Fold adds a record to a window. Required. An error fails the run, unless it is made by
	// [Reject]; return that before the window is changed. Where windows overlap, a record is
	// set aside once for each window that refuses it.
	Fold func(group *Out, record *In) error

	// Merge adds one window's group to that of another, as in [GroupBy]. Required with Gap, where a record can join two
	// sessions (into is the earlier one), and with pipeline.Parallel.
	Merge func(into, from *Out) error

	// Bounds tells a group when its window starts and ends, in UTC, before it is written.
	// Optional.
	Bounds func(group *Out, start, end time.Time)

	// MaxMemory is in bytes, as in [GroupBy], and so is what it says of In, K and Out.
	MaxMemory int64

	// TempDir is where temporary files go. Defaults to os.TempDir().
	TempDir string
}

// Describe says which windows these are.
func (w Window[In, K, Out]) Describe() string {
	switch {
	case w.Gap != 0:
		return fmt.Sprintf("sessions %v apart", w.Gap)
	case w.every() != w.Size:
		return fmt.Sprintf("windows of %v every %v", w.Size, w.Every)
	}
	return fmt.Sprintf("windows of %v", w.Size)
}

func (w Window[In, K, Out]) every() time.Duration {
	if w.Every == 0 {
		return w.Size
	}
	return w.Every
}

// Validate checks that the windows can be made, and that nothing is missing.
func (w Window[In, K, Out]) Validate(context.Context) error {
	required := []function{{"Time", w.Time == nil}, {"Fold", w.Fold == nil}}
	if w.Gap != 0 {
		required = append(required, function{"Merge", w.Merge == nil})
	}
	if err := missing("Window", required...); err != nil {
		return err
	}
	if what := w.wrong(); what != "" {
		return pipeline.Permanent(fmt.Errorf("transforms.Window: %s", what))
	}
	return memory{"Window", w.MaxMemory, w.TempDir}.validate(spill.CheckKey[K](), canSpill[In](), canSpill[Out]())
}

// maxWindows is how many windows may hold one record: each costs a fold.
const maxWindows = 10_000

// wrong says what is wrong with the windows, if anything.
func (w Window[In, K, Out]) wrong() string {
	switch {
	case w.Size < 0 || w.Every < 0 || w.Gap < 0:
		return fmt.Sprintf("Size is %v, Every is %v, Gap is %v: none of them can be negative", w.Size, w.Every, w.Gap)
	case w.Size == 0 && w.Gap == 0:
		return "set Size for windows of one length, or Gap for sessions"
	case w.Gap > 0 && (w.Size > 0 || w.Every > 0):
		return "sessions have a Gap and neither Size nor Every: leave out one or the other"
	case w.Every > w.Size:
		return fmt.Sprintf("Every (%v) is longer than Size (%v), so that records between two windows would be lost: "+
			"set Every to Size at most", w.Every, w.Size)
	case max(w.Size, w.Gap) > maxSpan:
		return fmt.Sprintf("%v is too long: a window holds at most %v", max(w.Size, w.Gap), maxSpan)
	case w.Gap == 0 && w.Size/w.every() > maxWindows:
		return fmt.Sprintf("Every (%v) puts each record into %d windows of Size %v; at most %d can be",
			w.Every, w.Size/w.every(), w.Size, maxWindows)
	}
	return ""
}

// Transform makes windows of the whole input.
func (w Window[In, K, Out]) Transform(ctx context.Context, in *pipeline.Reader[In], out *pipeline.Writer[Out]) error {
	return w.TransformLanes(ctx, []*pipeline.Reader[In]{in}, out)
}

// TransformLanes makes windows of each lane's share, and merges them.
func (w Window[In, K, Out]) TransformLanes(
	ctx context.Context, ins []*pipeline.Reader[In], out *pipeline.Writer[Out],
) error {
	if w.Gap > 0 {
		groups := w.sessions()
		if len(ins) == 1 {
			return groups.transform(ctx, "Window", ins[0], w.writeSessions(out))
		}
		return groups.transformLanes(ctx, "Window", ins, w.writeSessions(out))
	}
	return w.slide(ctx, ins, out)
}

// Times are nanoseconds since 1970, as time.Time.UnixNano has them. What is within these
// limits has room for a window to either side.
const maxSpan = 10 * 365 * 24 * time.Hour

var (
	firstTime = time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC)
	endOfTime = time.Date(2251, 1, 1, 0, 0, 0, 0, time.UTC)
)

// at returns when a record happened, or the error that sets it aside.
func (w *Window[In, K, Out]) at(record *In) (int64, error) {
	t := w.Time(record)
	if t.Before(firstTime) || !t.Before(endOfTime) {
		return 0, Reject("", t.Format(time.RFC3339Nano), "is no time that a window can hold: it must be from 1700 to 2250")
	}
	return t.UnixNano(), nil
}

func (w *Window[In, K, Out]) bounds(group *Out, start, end int64) {
	if w.Bounds != nil {
		w.Bounds(group, time.Unix(0, start).UTC(), time.Unix(0, end).UTC())
	}
}
