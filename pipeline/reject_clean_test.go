package pipeline_test

import (
	"context"
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
