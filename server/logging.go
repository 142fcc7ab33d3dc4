package main

import (
	"io"

	"github.com/hashicorp/go-hclog"
)

func newLogger(c config, w io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:               "millrace",
		Level:              c.logLevel,
		Output:             w,
		JSONFormat:         c.logJSON,
		JSONEscapeDisabled: true,
		TimeFormat:         "2006-01-02T15:04:05.000Z07:00",
	}).With("replica", c.replica)
}
