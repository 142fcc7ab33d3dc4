package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"
)

// SlogLogger makes a logger for [Options] of one of the standard library's:
//
//	pipeline.New("sales", pipeline.Options{Logger: pipeline.SlogLogger(slog.Default())})
//
// The logger's handler decides which levels it takes; trace is 4 below debug. The name of the logger, if it has one, is
// the attribute "logger".
func SlogLogger(logger *slog.Logger) hclog.Logger {
	// What hclog would write itself is off; its sink gets everything, with what With and Named have added.
	adapter := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	adapter.RegisterSink(slogSink{logger.Handler()})
	return adapter
}

type slogSink struct{ handler slog.Handler }

// Accept implements hclog.SinkAdapter.
func (s slogSink) Accept(name string, level hclog.Level, message string, args ...any) {
	ctx := context.Background() // hclog has none
	at := slogLevel(level)
	if !s.handler.Enabled(ctx, at) {
		return
	}
	// Without a place in the source: it would always be this one.
	r := slog.NewRecord(time.Now(), at, message, 0)
	if name != "" {
		r.Add("logger", name)
	}
	for i, arg := range args {
		if f, ok := arg.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	r.Add(args...)
	_ = s.handler.Handle(ctx, r) // there is nobody to tell that the log cannot be written
}

func slogLevel(level hclog.Level) slog.Level {
	switch level {
	case hclog.Trace:
		return slog.LevelDebug - 4
	case hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelInfo
}
