package stages

import (
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/pipelinetest"
)

func TestLinesAreRead(t *testing.T) {
	if got := pipelinetest.Source(t, Lines("a b\nc")); !slices.Equal(got, []string{"a b", "c"}) {
		t.Errorf("read %q", got)
	}
}

func TestWordsAreTakenApart(t *testing.T) {
	if got := pipelinetest.Transform(t, Words{}, []string{"a b", "c"}); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("made %q", got)
	}
}

func TestALineWithoutAWordIsSetAside(t *testing.T) {
	tolerant := pipelinetest.WithOptions(pipeline.Options{MaxRejects: 1})
	got := pipelinetest.RunTransform(t.Context(), Words{}, []string{"a", " "}, tolerant)
	if got.Err != nil || len(got.Rejects) != 1 || got.Rejects[0].Reason != "has no word" {
		t.Errorf("error %v, rejects %v", got.Err, got.Rejects)
	}
}

func TestWordsArePrinted(t *testing.T) {
	var text strings.Builder
	pipelinetest.Sink(t, Print{To: &text}, []string{"a", "b"})
	if text.String() != "a\nb\n" {
		t.Errorf("printed %q", text.String())
	}
}

// The rules that every stage keeps: batches of any size, cancelling, torn streams, no goroutine left.
func TestStagesKeepTheRules(t *testing.T) {
	pipelinetest.CheckSource(t, Lines("a b\nc"))
	pipelinetest.CheckTransform(t, Words{}, []string{"a b", "c"})
}
