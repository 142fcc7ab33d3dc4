// Command jsonlines reads events from all files events/*.jsonl.gz and writes those that matter, reshaped, into
// alarms.jsonl.
package main

import (
	"context"
	"log"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Event is a line of the input, as far as it is needed here.
type Event struct {
	At     time.Time `json:"at"`
	Level  string    `json:"level"`
	Source struct {
		Host string   `json:"host"`
		Tags []string `json:"tags"`
	} `json:"source"`
	Message *string `json:"message"`
}

// Alarm is a line of the output.
type Alarm struct {
	Host    string    `json:"host"`
	Since   time.Time `json:"since"`
	Message string    `json:"message,omitempty"`
}

func main() {
	p := pipeline.New("alarms", pipeline.Options{})
	events := pipeline.From(p, "read", sources.JSONLines[Event]{Path: "events/*.jsonl.gz", IgnoreUnknown: true})
	bad := pipeline.Via(events, "bad", transforms.Filter(func(e *Event) bool { return e.Level == "error" }))
	alarms := pipeline.Via(bad, "reshape", transforms.Map(func(e *Event, made *Alarm) error {
		made.Host, made.Since = e.Source.Host, e.At
		if e.Message != nil {
			made.Message = *e.Message
		}
		return nil
	}))
	pipeline.To(alarms, "write", sinks.JSONLines[Alarm]{Path: "alarms.jsonl"})
	if _, err := p.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
