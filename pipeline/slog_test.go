package pipeline_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/pipeline"
)

// plain writes a log without its times: "took" is one.
func plain(level slog.Level) *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == "took") {
			return slog.Attr{}
		}
		return a
	}}
}

func ExampleSlogLogger() {
	log := slog.New(slog.NewTextHandler(os.Stdout, plain(slog.LevelInfo)))
	p := pipeline.New("greet", pipeline.Options{RunID: "1", Logger: pipeline.SlogLogger(log)})
	pipeline.Do(p, "hello", func(ctx context.Context) error {
		pipeline.LoggerFrom(ctx).Info("hello", "who", "world")
		return nil
	})
	if _, err := p.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg="run started" attempt=1 pipeline=greet run=1 stages=1
	// level=INFO msg=hello attempt=1 pipeline=greet run=1 stage=hello who=world
	// level=INFO msg="run ended" pipeline=greet run=1 state=succeeded rejects=0
}

func TestSlogGetsWhatHclogIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		say  func(hclog.Logger)
		want string
	}{
		"trace":                {func(l hclog.Logger) { l.Trace("m", "a", 1) }, "level=DEBUG-4 msg=m a=1\n"},
		"debug":                {func(l hclog.Logger) { l.Debug("m", "a", 1) }, "level=DEBUG msg=m a=1\n"},
		"info":                 {func(l hclog.Logger) { l.Info("m") }, "level=INFO msg=m\n"},
		"warn":                 {func(l hclog.Logger) { l.Warn("m") }, "level=WARN msg=m\n"},
		"error":                {func(l hclog.Logger) { l.Error("m", "error", os.ErrClosed) }, "level=ERROR msg=m error=\"file already closed\"\n"},
		"a level by its value": {func(l hclog.Logger) { l.Log(hclog.Warn, "m") }, "level=WARN msg=m\n"},
		"with and named":       {func(l hclog.Logger) { l.Named("p").With("run", 7).Named("s").Info("m", "a", 1) }, "level=INFO msg=m logger=p.s run=7 a=1\n"},
		"a format":             {func(l hclog.Logger) { l.Info("m", "a", hclog.Fmt("%d of %d", 1, 2)) }, "level=INFO msg=m a=\"1 of 2\"\n"},
		"fields of both":       {func(l hclog.Logger) { l.With("a", 1).Info("m", "b", 2) }, "level=INFO msg=m a=1 b=2\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			tt.say(pipeline.SlogLogger(slog.New(slog.NewTextHandler(&b, plain(slog.LevelDebug-4)))))
			if b.String() != tt.want {
				t.Errorf("got %q, want %q", b.String(), tt.want)
			}
		})
	}
	var b bytes.Buffer
	pipeline.SlogLogger(slog.New(slog.NewTextHandler(&b, plain(slog.LevelWarn)))).Info("m")
	if b.Len() != 0 {
		t.Errorf("the handler's level does not count: %q", b.String())
	}
}
