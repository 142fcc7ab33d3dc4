package tables

import (
	"context"
	"errors"
	"log/slog"

	"github.com/hashicorp/go-hclog"
	"github.com/riverqueue/river/rivertype"
)

// IsJobNotFound tells that River has no such job.
func IsJobNotFound(err error) bool { return errors.Is(err, rivertype.ErrNotFound) }

// RiverLogger lets River's warnings and errors come out of ours. What River
// tells of its every step stays out: here it is a part, not a product.
func (d *DB) RiverLogger() *slog.Logger {
	return slog.New(riverHandler{logger: d.Logger.Named("river")})
}

type riverHandler struct {
	logger hclog.Logger
}

// Enabled implements slog.Handler.
func (h riverHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

// Handle implements slog.Handler.
func (h riverHandler) Handle(_ context.Context, r slog.Record) error {
	var args []any
	r.Attrs(func(a slog.Attr) bool {
		args = append(args, a.Key, a.Value.Any())
		return true
	})
	level := hclog.Warn
	if r.Level >= slog.LevelError {
		level = hclog.Error
	}
	h.logger.Log(level, r.Message, args...)
	return nil
}

// WithAttrs implements slog.Handler.
func (h riverHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var args []any
	for _, a := range attrs {
		args = append(args, a.Key, a.Value.Any())
	}
	return riverHandler{logger: h.logger.With(args...)}
}

// WithGroup implements slog.Handler.
func (h riverHandler) WithGroup(name string) slog.Handler {
	return riverHandler{logger: h.logger.Named(name)}
}
