package pipeline_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/pipeline"
)

type traced struct {
	pipeline.Origin
	Name string  `json:"name"`
	Qty  float64 `json:"qty"`
}

// traces fills the origin as a source of files does.
func traces(records ...traced) pipeline.SourceFunc[traced] {
	return func(_ context.Context, out *pipeline.Writer[traced]) error {
		at := pipeline.OriginField[traced]()
		for i, r := range records {
			*at(&r) = pipeline.Origin{Source: "sales.csv", Line: int64(i + 2), Offset: int64(i * 10)}
			if err := out.Write(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestARejectKnowsItsRecordAndWhereItCameFrom(t *testing.T) {
	var seen []pipeline.Reject
	p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnReject: func(r pipeline.Reject) { seen = append(seen, r) }})
	records := pipeline.From(p, "from", traces(traced{Name: "a"}, traced{Name: "b", Qty: math.NaN()}))
	pipeline.To(records, "to", pipeline.SinkFunc[traced](func(_ context.Context, in *pipeline.Reader[traced]) error {
		for r, err := range in.All() {
			if err != nil {
				return err
			}
			r.Name += " changed"
			if err := in.Reject(&r, pipeline.Reject{Source: "table \"sales\"", Reason: "no"}); err != nil {
				return err
			}
		}
		return nil
	}))
	mustRun(t, p)
	want := []string{
		`{"stage":"to","source":"sales.csv","line":2,"offset":0,"column":"","value":"","reason":"no","record":{"name":"a changed","qty":0}}`,
		`{"stage":"to","source":"sales.csv","line":3,"offset":10,"column":"","value":"","reason":"no","record":{"name":"b changed","qty":"NaN"}}`,
	}
	if len(seen) != 2 {
		t.Fatalf("%d rejects", len(seen))
	}
	for i, r := range seen {
		if got, err := json.Marshal(r); err != nil || string(got) != want[i] {
			t.Errorf("got %s, %v\nwant %s", got, err, want[i])
		}
		if strings.Contains(r.String(), "changed") {
			t.Errorf("the record is told: %s", r)
		}
	}
}

// A record of any type is shown as valid JSON of at most 8 KiB without NUL.
func TestAnyRecordHasJSON(t *testing.T) {
	type circle struct{ Next *circle }
	round := &circle{}
	round.Next = round
	for name, reject := range map[string]func() pipeline.Reject{
		"text":             rejectOf("a\x00\xff"),
		"a long text":      rejectOf(struct{ A, B string }{strings.Repeat("é", 5000), "b"}),
		"many texts":       rejectOf(strings.Split(strings.Repeat("some words,", 10_000), ",")),
		"a circle":         rejectOf(round),
		"a channel":        rejectOf(struct{ C chan int }{make(chan int)}),
		"a function":       rejectOf(struct{ F func() }{func() {}}),
		"not a number":     rejectOf(map[string]float64{"x": math.Inf(1)}),
		"a panic":          rejectOf(struct{ P panics }{}),
		"an own document":  rejectOf(struct{ D json.RawMessage }{json.RawMessage(`{"a":1e999999,"b":"\ud800"}`)}),
		"a wrong document": rejectOf(struct{ D json.RawMessage }{json.RawMessage(`{`)}),
		"a time":           rejectOf(time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC)),
		"nothing":          rejectOf((*int)(nil)),
		"deep":             rejectOf(json.RawMessage(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))),
	} {
		t.Run(name, func(t *testing.T) {
			r := reject().Record
			if !json.Valid(r) || !utf8.Valid(r) || len(r) > 8<<10 || strings.Contains(string(r), `\u0000`) {
				t.Errorf("%d bytes, %.300s", len(r), r)
			}
		})
	}
}

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no JSON") }

// rejectOf runs a pipeline whose sink sets the record aside.
func rejectOf[T any](record T) func() pipeline.Reject {
	return func() (seen pipeline.Reject) {
		p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnReject: func(r pipeline.Reject) { seen = r }})
		pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[T](func(_ context.Context, out *pipeline.Writer[T]) error { return out.Write(record) })),
			"to", pipeline.SinkFunc[T](func(_ context.Context, in *pipeline.Reader[T]) error {
				for r, err := range in.All() {
					if err != nil {
						return err
					}
					if err := in.Reject(&r, pipeline.Reject{Reason: "no"}); err != nil {
						return err
					}
				}
				return nil
			}))
		if _, err := p.Run(context.Background()); err != nil {
			panic(err)
		}
		return seen
	}
}

func TestOnlyAnOriginInTheRecordItselfIsFilled(t *testing.T) {
	type base struct {
		N int
		pipeline.Origin
	}
	type outer struct {
		base
		Name string
	}
	if at := pipeline.OriginField[outer](); at == nil {
		t.Error("an origin within an embedded struct is not found")
	} else {
		var r outer
		at(&r).Line = 7
		if r.Line != 7 {
			t.Errorf("another field was filled: %+v", r)
		}
	}
	if pipeline.OriginField[struct{ *pipeline.Origin }]() != nil {
		t.Error("an origin behind a pointer is taken")
	}
	if pipeline.OriginField[struct{ Origin pipeline.Origin }]() != nil {
		t.Error("a field that is named is taken")
	}
	if pipeline.OriginField[int]() != nil || pipeline.OriginField[*traced]() != nil {
		t.Error("what is no struct has an origin")
	}
}

func BenchmarkOrigin(b *testing.B) {
	at := pipeline.OriginField[traced]()
	var r traced
	for i := range b.N {
		*at(&r) = pipeline.Origin{Source: "sales.csv", Line: int64(i), Offset: int64(i)}
	}
}
