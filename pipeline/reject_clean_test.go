package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/millrace/millrace/pipeline"
)

// dirty is a reject whose texts no database could hold.
func dirty() pipeline.Reject {
	text := "a\x00\xff" + strings.Repeat("é", 5000)
	return pipeline.Reject{Stage: text, Source: text, Column: text, Value: text, Reason: text, Raw: []byte("a\x00\xff")}
}

func TestARejectIsCleanWhoeverMadeIt(t *testing.T) {
	sourceThatRejects := pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error { return out.Reject(dirty()) })
	drain := pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error { return in.Reject(nil, dirty()) })
	for name, build := range map[string]func(*pipeline.Pipeline){
		"a source": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "from", sourceThatRejects), "to", &collector[int]{})
		},
		"a transform, by its reader": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.Via(pipeline.From(p, "from", numbers(0)), "via", pipeline.TransformFunc[int, int](
				func(_ context.Context, in *pipeline.Reader[int], _ *pipeline.Writer[int]) error {
					return in.Reject(nil, dirty())
				})), "to", &collector[int]{})
		},
		"a transform, by its writer": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.Via(pipeline.From(p, "from", numbers(0)), "via", pipeline.TransformFunc[int, int](
				func(_ context.Context, _ *pipeline.Reader[int], out *pipeline.Writer[int]) error {
					return out.Reject(dirty())
				})), "to", &collector[int]{})
		},
		"a sink": func(p *pipeline.Pipeline) { pipeline.To(pipeline.From(p, "from", numbers(0)), "to", drain) },
		"a source that is read within a stage": func(p *pipeline.Pipeline) {
			pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[int](func(ctx context.Context, _ *pipeline.Writer[int]) error {
				for _, err := range pipeline.Records(ctx, sourceThatRejects) {
					if err != nil {
						return err
					}
				}
				return nil
			})), "to", &collector[int]{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []pipeline.Reject
			p := pipeline.New("p", pipeline.Options{MaxRejects: -1, OnReject: func(r pipeline.Reject) { seen = append(seen, r) }})
			build(p)
			letters := &collector[pipeline.Reject]{}
			pipeline.To(pipeline.Rejects(p), "letters", letters)
			mustRun(t, p)
			if len(seen) != 1 || len(letters.got) != 1 {
				t.Fatalf("%d seen, %d in the stream, want 1 each", len(seen), len(letters.got))
			}
			for _, r := range []pipeline.Reject{seen[0], letters.got[0]} {
				for field, text := range map[string]string{"stage": r.Stage, "source": r.Source, "column": r.Column, "value": r.Value, "reason": r.Reason} {
					if !utf8.ValidString(text) || strings.Contains(text, "\x00") || !strings.HasPrefix(text, "a\uFFFD") || !strings.HasSuffix(text, "é…") || len(text) > 4010 {
						t.Errorf("%s is %d bytes: %.20q ... %q", field, len(text), text, text[max(0, len(text)-8):])
					}
				}
				if string(r.Raw) != "a\x00\xff" {
					t.Errorf("raw was changed: %q", r.Raw)
				}
			}
		})
	}
}

func TestTheErrorOfARejectIsClean(t *testing.T) {
	p := pipeline.New("p", pipeline.Options{})
	pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error { return out.Reject(dirty()) })), "to", &collector[int]{})
	_, err := p.Run(t.Context())
	if err == nil || !utf8.ValidString(err.Error()) || strings.Contains(err.Error(), "\x00") || len(err.Error()) > 20_000 {
		t.Errorf("error: %.100q", err)
	}
}

func TestARecordThatAStageGivesItselfIsFit(t *testing.T) {
	for given, want := range map[string]string{
		`{"a":"x\u0000y"}`:       `{"a":"x�y"}`,
		`{"a":1e5000}`:           `{"a":"1e5000"}`,
		`{"a":`:                  `"{\"a\":"`,
		"a\x00\xff":              "\"a��\"",
		`{"a":"b"} {"c":"d"}`:    `"{\"a\":\"b\"} {\"c\":\"d\"}"`,
		`{"whole":[1,"two",{}]}`: `{"whole":[1,"two",{}]}`,
	} {
		reject := pipeline.Reject{Record: []byte(given), Reason: "is bad"}
		p := pipeline.New("p", pipeline.Options{MaxRejects: -1})
		pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[int](func(_ context.Context, out *pipeline.Writer[int]) error {
			return out.Reject(reject)
		})), "to", pipeline.SinkFunc[int](func(_ context.Context, in *pipeline.Reader[int]) error { return in.Reject(nil, reject) }))
		letters := &collector[pipeline.Reject]{}
		pipeline.To(pipeline.Rejects(p), "letters", letters)
		mustRun(t, p)
		for _, r := range letters.got {
			if string(r.Record) != want {
				t.Errorf("%s became %s, and not %s", given, r.Record, want)
			}
		}
		if len(letters.got) != 2 {
			t.Errorf("%d rejects", len(letters.got))
		}
	}
}

// The record is JSON, which costs more than all else about a reject.
func TestARecordIsMadeOnlyWhereSomebodySeesIt(t *testing.T) {
	for name, tt := range map[string]struct {
		options pipeline.Options
		stream  bool
		made    int
	}{
		"nobody":                {pipeline.Options{MaxRejects: -1}, false, 0},
		"an error":              {pipeline.Options{}, false, 0},
		"the stream of rejects": {pipeline.Options{MaxRejects: -1}, true, 1},
		"OnReject":              {pipeline.Options{MaxRejects: -1, OnReject: func(pipeline.Reject) {}}, false, 1},
		"OnEvent":               {pipeline.Options{MaxRejects: -1, OnEvent: func(pipeline.Event) {}}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			made := 0
			p := pipeline.New("p", tt.options)
			pipeline.To(pipeline.From(p, "from", pipeline.SourceFunc[counts](func(_ context.Context, out *pipeline.Writer[counts]) error {
				return out.Write(counts{pipeline.Origin{Source: "a.csv", Line: 7}, &made})
			})), "to", pipeline.SinkFunc[counts](func(_ context.Context, in *pipeline.Reader[counts]) error {
				for c, err := range in.All() {
					if err != nil {
						return err
					}
					if err := in.Reject(&c, pipeline.Reject{Reason: "is bad"}); err != nil {
						return err
					}
				}
				return nil
			}))
			if tt.stream {
				pipeline.To(pipeline.Rejects(p), "letters", &collector[pipeline.Reject]{})
			}
			_, err := p.Run(t.Context())
			var refused *pipeline.RejectError
			if errors.As(err, &refused) && (refused.First.Line != 7 || refused.First.Record != nil) {
				t.Errorf("the error has %+v", refused.First)
			}
			if (err == nil) != (tt.options.MaxRejects == -1) || made != tt.made {
				t.Errorf("made %d times, and not %d; error %v", made, tt.made, err)
			}
		})
	}
}

// counts is a record that counts how often JSON is made of it.
type counts struct {
	pipeline.Origin
	made *int
}

func (c *counts) MarshalJSON() ([]byte, error) {
	*c.made++
	return []byte("{}"), nil
}
