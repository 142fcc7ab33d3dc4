// Command sessions makes sessions of the clicks in clicks.csv, which end after half an hour without a click, and writes
// the three longest of each day into longest.csv.
package main

import (
	"cmp"
	"context"
	"log"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
	"github.com/millrace/millrace/transforms"
)

// Click is a line of clicks.csv.
type Click struct {
	User string    `csv:"user"`
	At   time.Time `csv:"at"`
}

// Session is a line of longest.csv.
type Session struct {
	User   string    `csv:"user"`
	Start  time.Time `csv:"start"`
	End    time.Time `csv:"end"`
	Clicks int       `csv:"clicks"`
}

func main() {
	p := pipeline.New("sessions", pipeline.Options{})
	clicks := pipeline.From(p, "read", sources.CSV[Click]{Path: "clicks.csv"})
	sessions := pipeline.Via(clicks, "sessions", transforms.Window[Click, string, Session]{
		Gap:    30 * time.Minute,
		Time:   func(c *Click) time.Time { return c.At },
		Key:    func(c *Click) string { return c.User },
		New:    func(user string) Session { return Session{User: user} },
		Fold:   func(s *Session, _ *Click) error { s.Clicks++; return nil },
		Merge:  func(into, from *Session) error { into.Clicks += from.Clicks; return nil },
		Bounds: func(s *Session, start, end time.Time) { s.Start, s.End = start, end },
	})
	longest := pipeline.Via(sessions, "longest", transforms.TopN[Session, string]{
		N:       3,
		Key:     func(s *Session) string { return s.Start.Format(time.DateOnly) },
		Compare: func(a, b *Session) int { return cmp.Compare(b.End.Sub(b.Start), a.End.Sub(a.Start)) },
	})
	pipeline.To(longest, "write", sinks.CSV[Session]{Path: "longest.csv"})
	if _, err := p.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
