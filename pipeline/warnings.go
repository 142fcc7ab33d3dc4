package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/internal/cleantext"
)

const (
	mostWarnings = 20  // of a stage in a report
	longWarning  = 500 // bytes
	longArgument = 200 // bytes of one value
)

// warnings are what a stage has warned of, each text once.
type warnings struct {
	mu    sync.Mutex
	texts []string
	more  bool // there were others
}

// add keeps a text. What there is no room for is in the log alone, and the last text says so.
func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case slices.Contains(w.texts, text):
	case len(w.texts) < mostWarnings-1:
		w.texts = append(w.texts, text)
	default:
		w.more = true
	}
}

func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := slices.Clone(w.texts)
	if w.more {
		texts = append(texts, "there were other warnings, which are in the log")
	}
	return texts
}

// warningLogger is a stage's logger: what is logged as a warning or worse is in the report too, whatever
// the log's own level is.
type warningLogger struct {
	hclog.Logger
	warnings *warnings
	with     []any // what the stage has added
}

func (l *warningLogger) Warn(message string, args ...any) {
	l.warnings.add(warningText(message, l.with, args))
	l.Logger.Warn(message, args...)
}

func (l *warningLogger) Error(message string, args ...any) {
	l.warnings.add(warningText(message, l.with, args))
	l.Logger.Error(message, args...)
}

func (l *warningLogger) Log(level hclog.Level, message string, args ...any) {
	if level == hclog.Warn || level == hclog.Error {
		l.warnings.add(warningText(message, l.with, args))
	}
	l.Logger.Log(level, message, args...)
}

func (l *warningLogger) With(args ...any) hclog.Logger {
	return &warningLogger{l.Logger.With(args...), l.warnings, append(slices.Clip(l.with), args...)}
}

func (l *warningLogger) Named(name string) hclog.Logger {
	return &warningLogger{l.Logger.Named(name), l.warnings, l.with}
}

func (l *warningLogger) ResetNamed(name string) hclog.Logger {
	return &warningLogger{l.Logger.ResetNamed(name), l.warnings, l.with}
}

// warningText is one line: the message, and its fields as the log has them.
func warningText(message string, fields ...[]any) string {
	var b strings.Builder
	b.WriteString(message)
	for _, args := range fields {
		for i, arg := range args {
			if f, ok := arg.(hclog.Format); ok && len(f) > 0 {
				arg = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
			}
			text := fmt.Sprint(arg)
			if i%2 == 0 {
				b.WriteString(" " + text)
				if i+1 < len(args) {
					b.WriteByte('=')
				}
				continue
			}
			if text == "" || strings.ContainsAny(text, " \t\r\n\"=") {
				text = cleantext.Quote(text, longArgument)
			}
			b.WriteString(text)
		}
	}
	return cleantext.Short(strings.Join(strings.Fields(b.String()), " "), longWarning)
}
