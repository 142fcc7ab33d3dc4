// Package stages has one stage of each kind, and in its tests how each is tested by itself, without a database.
package stages

import (
	"bufio"
	"context"
	"io"
	"strings"

	"github.com/millrace/millrace/pipeline"
)

// Lines is a source: the lines of a text.
type Lines string

// Extract writes each line.
func (l Lines) Extract(_ context.Context, out *pipeline.Writer[string]) error {
	lines := bufio.NewScanner(strings.NewReader(string(l)))
	for lines.Scan() {
		if err := out.Write(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Words is a transform: the words of each line. A line without a word is a reject.
type Words struct{}

// Transform writes each word.
func (Words) Transform(_ context.Context, in *pipeline.Reader[string], out *pipeline.Writer[string]) error {
	for line, err := range in.All() {
		if err != nil {
			return err
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			if err := out.Reject(pipeline.Reject{Value: line, Reason: "has no word"}); err != nil {
				return err
			}
		}
		for _, word := range words {
			if err := out.Write(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// Print is a sink: a line for each word. It does not join a unit, so what it printed stays if the run fails.
type Print struct{ To io.Writer }

// Load prints each word.
func (p Print) Load(_ context.Context, in *pipeline.Reader[string]) error {
	for word, err := range in.All() {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(p.To, word+"\n"); err != nil {
			return err
		}
	}
	return nil
}
