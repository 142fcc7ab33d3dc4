package transforms_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
	"github.com/millrace/millrace/transforms"
)

// event is something that happened, in seconds since 1970.
type event struct {
	User string
	At   int64
}

// span is what a window folds events into: more than a count, so that one that is folded twice
// or into the wrong window shows.
type span struct {
	User       string
	Start, End int64
	Count      int
	Sum        int64
}

func seconds(n int64) time.Time { return time.Unix(n, 0) }

func spans() transforms.Window[event, string, span] {
	return transforms.Window[event, string, span]{
		Time:   func(e *event) time.Time { return seconds(e.At) },
		Key:    func(e *event) string { return e.User },
		New:    func(user string) span { return span{User: user} },
		Fold:   func(s *span, e *event) error { s.Count++; s.Sum += e.At; return nil },
		Merge:  func(into, from *span) error { into.Count += from.Count; into.Sum += from.Sum; return nil },
		Bounds: func(s *span, start, end time.Time) { s.Start, s.End = start.Unix(), end.Unix() },
	}
}

func events() *rapid.Generator[[]event] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return event{rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "user"), rapid.Int64Range(-300, 300).Draw(t, "at")}
	}), 0, 400)
}

// wantSlides asks of every possible window which events it holds.
func wantSlides(in []event, size, every int64) []span {
	byWindow := map[[2]string]int{}
	var want []span
	for _, e := range in {
		for start := -every * (2000 / every); start <= 2000; start += every {
			if e.At < start || e.At >= start+size {
				continue
			}
			id := [2]string{e.User, fmt.Sprint(start)}
			i, ok := byWindow[id]
			if !ok {
				i = len(want)
				byWindow[id] = i
				want = append(want, span{User: e.User, Start: start, End: start + size})
			}
			want[i].Count++
			want[i].Sum += e.At
		}
	}
	return want
}

// wantSessions sorts the events of each user, and cuts where a gap is.
func wantSessions(in []event, gap int64) (want []span) {
	var users []string
	times := map[string][]int64{}
	for _, e := range in {
		if times[e.User] == nil {
			users = append(users, e.User)
		}
		times[e.User] = append(times[e.User], e.At)
	}
	for _, user := range users {
		slices.Sort(times[user])
		for i, at := range times[user] {
			if i == 0 || at-times[user][i-1] >= gap {
				want = append(want, span{User: user, Start: at})
			}
			s := &want[len(want)-1]
			s.End = at + gap
			s.Count++
			s.Sum += at
		}
	}
	return want
}

func TestWindowsHoldWhatHappenedWithinThem(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := events().Draw(t, "events"), rapid.IntRange(1, 3).Draw(t, "lanes")
		stage := spans()
		stage.TempDir = folder
		size := rapid.Int64Range(1, 200).Draw(t, "size")
		every := rapid.Int64Range(1, size).Draw(t, "every")
		stage.Size = time.Duration(size) * time.Second
		if every < size || rapid.Bool().Draw(t, "said") {
			stage.Every = time.Duration(every) * time.Second
		}
		for _, stage.MaxMemory = range []int64{0, maxMemory().Draw(t, "memory")} {
			checkSame(t, outcomeOf(t, stage, in, lanes), outcome[span]{records: wantSlides(in, size, every)}, lanes)
			checkNothingLeft(t, folder)
		}
	})
}

func TestSessionsEndWhereAGapIs(t *testing.T) {
	folder := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		in, lanes := events().Draw(t, "events"), rapid.IntRange(1, 3).Draw(t, "lanes")
		if rapid.Bool().Draw(t, "in order") {
			slices.SortStableFunc(in, func(a, b event) int { return cmp.Compare(a.At, b.At) })
		}
		stage := spans()
		stage.TempDir = folder
		gap := rapid.Int64Range(1, 60).Draw(t, "gap")
		stage.Gap = time.Duration(gap) * time.Second
		for _, stage.MaxMemory = range []int64{0, maxMemory().Draw(t, "memory")} {
			checkSame(t, outcomeOf(t, stage, in, lanes), outcome[span]{records: wantSessions(in, gap)}, lanes)
			checkNothingLeft(t, folder)
		}
	})
}

func TestARecordWithoutATimeIsSetAside(t *testing.T) {
	var never time.Time
	in := []time.Time{never, seconds(5), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), seconds(-5)}
	stage := transforms.Window[time.Time, struct{}, int]{
		Time:  func(at *time.Time) time.Time { return *at },
		Fold:  func(n *int, _ *time.Time) error { *n++; return nil },
		Merge: func(into, from *int) error { *into += *from; return nil },
	}
	sliding, sessions := stage, stage
	sliding.Size, sliding.Every, sessions.Gap = 30*time.Second, 10*time.Second, 30*time.Second
	for name, c := range map[string]struct {
		stage transforms.Window[time.Time, struct{}, int]
		want  []int
	}{"sliding": {sliding, []int{2, 2, 1, 1}}, "session": {sessions, []int{2}}} {
		r := pipelinetest.RunTransform(t.Context(), c.stage, in)
		if r.Err != nil || !slices.Equal(r.Records, c.want) || len(r.Rejects) != 2 {
			t.Errorf("%s: %v, %d rejects, error %v", name, r.Records, len(r.Rejects), r.Err)
			continue
		}
		want := `"0001-01-01T00:00:00Z" is no time that a window can hold`
		if !strings.Contains(r.Rejects[0].String(), want) || string(r.Rejects[0].Record) != `"0001-01-01T00:00:00Z"` {
			t.Errorf("%s: %v", name, r.Rejects[0])
		}
	}
}

// What a fold refuses is the user's record, also when it comes back from a file.
func TestARecordThatAFoldRefusesIsSetAsideForEachWindow(t *testing.T) {
	stage := spans()
	stage.Size, stage.Every, stage.TempDir = time.Minute, 30*time.Second, t.TempDir()
	stage.Fold = func(s *span, e *event) error {
		if e.At == 45 {
			return transforms.Reject("at", "45", "is refused")
		}
		s.Count++
		return nil
	}
	for _, stage.MaxMemory = range []int64{0, 1} {
		r := pipelinetest.RunTransform(t.Context(), stage, []event{{"ann", 0}, {"bob", 45}, {"ann", 31}})
		if r.Err != nil || len(r.Records) != 3 || len(r.Rejects) != 2 || string(r.Rejects[0].Record) != `{"User":"bob","At":45}` {
			t.Errorf("%v, rejects %v, error %v", r.Records, r.Rejects, r.Err)
		}
	}
}

func TestAnErrorOfAWindowsFunctionsFailsTheRun(t *testing.T) {
	in := []event{{"ann", 0}, {"ann", 100}, {"ann", 50}}
	fold, merge := spans(), spans()
	fold.Size = time.Minute
	fold.Fold = func(*span, *event) error { return errBad }
	merge.Gap = time.Minute
	merge.Merge = func(_, _ *span) error { return errBad }
	for _, stage := range []transforms.Window[event, string, span]{fold, merge} {
		r := pipelinetest.RunTransform(t.Context(), stage, in)
		if r.Err == nil || !strings.Contains(r.Err.Error(), "stage: bad record") {
			t.Errorf("error %v", r.Err)
		}
	}
}

func TestWindowsThatCannotBeAreInvalid(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		change func(w *transforms.Window[event, string, span])
		want   string
	}{
		"a negative size":          {func(w *transforms.Window[event, string, span]) { w.Size = -hour }, "none of them can be negative"},
		"a negative step":          {func(w *transforms.Window[event, string, span]) { w.Size, w.Every = hour, -hour }, "none of them can be negative"},
		"a negative gap":           {func(w *transforms.Window[event, string, span]) { w.Gap = -hour }, "Gap is -1h0m0s: none of them can be negative"},
		"neither size nor gap":     {func(*transforms.Window[event, string, span]) {}, "set Size for windows of one length, or Gap for sessions"},
		"both size and gap":        {func(w *transforms.Window[event, string, span]) { w.Size, w.Gap = hour, hour }, "leave out one or the other"},
		"holes between windows":    {func(w *transforms.Window[event, string, span]) { w.Size, w.Every = hour, 2*hour }, "would be lost: set Every to Size at most"},
		"too long a window":        {func(w *transforms.Window[event, string, span]) { w.Size = 1 << 62 }, "is too long"},
		"too many windows at once": {func(w *transforms.Window[event, string, span]) { w.Size, w.Every = hour, 1 }, "at most 10000 can be"},
		"no time":                  {func(w *transforms.Window[event, string, span]) { w.Size, w.Time = hour, nil }, "Time is nil"},
		"no fold":                  {func(w *transforms.Window[event, string, span]) { w.Size, w.Fold = hour, nil }, "Fold is nil"},
		"sessions without merge":   {func(w *transforms.Window[event, string, span]) { w.Gap, w.Merge = hour, nil }, "Merge is nil"},
		"negative memory":          {func(w *transforms.Window[event, string, span]) { w.Size, w.MaxMemory = hour, -1 }, "MaxMemory is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			stage := spans()
			c.change(&stage)
			err := pipelinetest.RunTransform(t.Context(), stage, []event{{"ann", 0}}).Err
			checkInvalid(t, err, "transforms.Window: ")
			checkInvalid(t, err, c.want)
		})
	}
	stage := spans()
	stage.Size, stage.Merge = hour, nil
	err := pipelinetest.RunTransform(t.Context(), stage, []event{{"ann", 0}}, pipelinetest.WithStage(pipeline.Parallel(2))).Err
	if err == nil || !strings.Contains(err.Error(), "transforms.Window: Merge is nil: without it the groups of 2 lanes") {
		t.Errorf("in lanes without Merge: %v", err)
	}
}
