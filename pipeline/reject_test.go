package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
)

// picky rejects what bad tells it to.
func picky(bad func(int) string) pipeline.Transform[int, int] {
	return pipeline.TransformFunc[int, int](func(_ context.Context, in *pipeline.Reader[int], out *pipeline.Writer[int]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			if reason := bad(r); reason != "" {
				if err := out.Reject(pipeline.Reject{Source: "sales.csv", Line: int64(r), Column: "quantity", Value: "abc", Reason: reason}); err != nil {
					return err
				}
				continue
			}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	})
}

func everyTenth(i int) string {
	if i%10 == 7 {
		return "is not an integer"
	}
	return ""
}

func TestAStrictRunFailsAtTheFirstRejectWithItsPlace(t *testing.T) {
	p := pipeline.New("strict", pipeline.Options{})
	pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(100)), "picky", picky(everyTenth)), "sink", &collector[int]{})
	rep, err := p.Run(t.Context())
	want := `strict: picky: sales.csv: line 7: column "quantity": "abc" is not an integer`
	var re *pipeline.RejectError
	if err == nil || err.Error() != want || !errors.As(err, &re) || !pipeline.IsPermanent(err) {
		t.Fatalf("error %v\nwant  %v", err, want)
	}
	if rep.Rejects != 1 || rep.Stage("picky").Rejects != 1 {
		t.Fatalf("report %+v", rep)
	}
}

func TestABudgetIsToleratedToItsLastReject(t *testing.T) {
	build := func(budget int) *pipeline.Pipeline {
		p := pipeline.New("budget", pipeline.Options{MaxRejects: budget})
		bad := func(i int) string {
			if i == 50 {
				return "is too large"
			}
			return everyTenth(i)
		}
		pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(100)), "picky", picky(bad)), "sink", &collector[int]{})
		return p
	}
	for _, budget := range []int{11, 12, -1} {
		if rep := mustRun(t, build(budget)); rep.Rejects != 11 {
			t.Fatalf("budget %d: %d rejects, want 11", budget, rep.Rejects)
		}
	}
	_, err := build(10).Run(t.Context())
	want := `budget: picky: 11 records were rejected, 10 are allowed; the first: sales.csv: line 7: column "quantity": "abc" is not an integer; the most frequent reason (10 times): is not an integer`
	if err == nil || err.Error() != want {
		t.Fatalf("error %v\nwant  %v", err, want)
	}
}

func TestARejectThatIsIgnoredStillEndsTheRun(t *testing.T) {
	p := pipeline.New("liar", pipeline.Options{})
	pipeline.To(pipeline.From(p, "numbers", numbers(10)), "liar", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error {
		for r, err := range in.All() {
			if err != nil {
				return nil
			}
			_ = in.Reject(&r, pipeline.Reject{Line: int64(r), Reason: "bad"})
		}
		return nil
	}))
	var re *pipeline.RejectError
	if _, err := p.Run(t.Context()); !errors.As(err, &re) || re.Count != 1 {
		t.Fatalf("error %v", err)
	}
}

func TestTheStreamOfRejectsHoldsThemAll(t *testing.T) {
	const n = 5000
	for _, lanes := range []int{1, 4} {
		t.Run(fmt.Sprintf("from %d lanes and two stages", lanes), func(t *testing.T) {
			var good collector[int]
			var bad collector[pipeline.Reject]
			var lines collector[int64]
			p := pipeline.New("letters", pipeline.Options{MaxRejects: -1, BatchSize: 3, Buffer: 1})
			s := pipeline.Via(pipeline.From(p, "numbers", numbers(n)), "picky", picky(everyTenth), pipeline.Parallel(lanes))
			pipeline.To(pipeline.Via(s, "pickier", picky(func(i int) string {
				if i%10 == 3 {
					return "is unlucky"
				}
				return ""
			})), "sink", &good)
			letters := pipeline.Rejects(p)
			pipeline.To(letters, "letters", &bad)
			pipeline.To(pipeline.Via(letters, "lines", each(func(r pipeline.Reject) (int64, error) { return r.Line, nil })), "count", &lines)
			rep := mustRun(t, p)
			if len(good.got) != n*8/10 || len(bad.got) != n*2/10 || len(lines.got) != n*2/10 {
				t.Fatalf("%d good, %d bad, %d lines", len(good.got), len(bad.got), len(lines.got))
			}
			stages := map[string]int{}
			for _, r := range bad.got {
				stages[r.Stage]++
			}
			if stages["picky"] != n/10 || stages["pickier"] != n/10 || rep.Stage("picky").Rejects != n/10 {
				t.Fatalf("by stage: %v", stages)
			}
		})
	}
}

func TestAStageBehindTheRejectsCannotReject(t *testing.T) {
	p := pipeline.New("recursive", pipeline.Options{MaxRejects: -1})
	pipeline.To(pipeline.Via(pipeline.From(p, "numbers", numbers(20)), "picky", picky(everyTenth)), "sink", &collector[int]{})
	pipeline.To(pipeline.Rejects(p), "letters", pipeline.SinkFunc[pipeline.Reject](func(_ context.Context, in *pipeline.Reader[pipeline.Reject]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			if err := in.Reject(&r, r); err != nil {
				return err
			}
		}
		return nil
	}))
	var se *pipeline.StageError
	if _, err := p.Run(t.Context()); !errors.As(err, &se) || se.Stage != "letters" || !strings.Contains(err.Error(), "cannot reject") {
		t.Fatalf("error %v", err)
	}
}

func TestARejectSaysOnlyWhatItKnows(t *testing.T) {
	for want, r := range map[string]pipeline.Reject{
		"is bad": {Reason: "is bad"},
		`online_sales: column "quantity": "-1" is negative`: {Source: "online_sales", Column: "quantity", Value: "-1", Reason: "is negative"},
		"a.csv: line 3: has 5 fields, want 6":               {Source: "a.csv", Line: 3, Reason: "has 5 fields, want 6"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
