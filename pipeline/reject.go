package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/cleantext"
)

// Reject is a record that could not be read, converted or accepted, with all
// that is known of where it came from.
//
// Its texts are clean wherever it arrives, whoever made it: valid UTF-8 without NUL, for
// which U+FFFD stands, and cut where they are long, which an ellipsis tells: Stage and Column after
// 200 bytes, Value after 1,000, Source and Reason after 4,000. Raw is as it was. Record is always valid JSON,
// with texts cut where the whole would exceed 8 KiB, and is left out of errors and logs.
type Reject struct {
	Stage  string `json:"stage" db:"stage" csv:"stage"`    // the stage that set it aside
	Source string `json:"source" db:"source" csv:"source"` // a file's name, a table
	Line   int64  `json:"line" db:"line" csv:"line"`       // from 1, of the record's first line; 0 unknown
	Offset int64  `json:"offset" db:"offset" csv:"offset"` // in bytes, from the (unpacked) file's start
	Raw    []byte `json:"raw,omitempty" db:"raw" csv:"-"`  // the original bytes, line ending included; nil unknown
	Column string `json:"column" db:"column" csv:"column"`
	Value  string `json:"value" db:"value" csv:"value"` // what stood in the column
	Reason string `json:"reason" db:"reason" csv:"reason"`

	// Record is what the stage that set it aside had before it, nil where a source could not read one: text
	// in CSV, jsonb in Postgres.
	// It is made only where somebody can see it: by the stream of [Rejects], [Options].OnReject or OnEvent.
	Record json.RawMessage `json:"record,omitempty" db:"record" csv:"record"`
}

// from fills in the place in a file. A stage that knows a line itself knows better.
func (r *Reject) from(o Origin) {
	if o.Source != "" && r.Line == 0 {
		r.Source, r.Line, r.Offset = o.Source, o.Line, o.Offset
	}
}

// clean makes of the texts what any sink can hold. It is called once, on the way in.
func (r *Reject) clean() {
	r.Stage = cleantext.Short(r.Stage, 200)
	r.Source = cleantext.Short(r.Source, 4000)
	r.Column = cleantext.Short(r.Column, 200)
	r.Value = cleantext.Short(r.Value, 1000)
	r.Reason = cleantext.Short(r.Reason, 4000)
}

// fitRecord makes a record that a stage gave itself fit for any sink, if anybody keeps it.
func (r *Reject) fitRecord(kept bool) {
	switch {
	case !kept:
		r.Record = nil
	case r.Record != nil:
		r.Record = fitJSON(r.Record)
	}
}

// String says the place first and the reason last:
//
//	sales.csv: line 7: column "quantity": "abc" is not an integer
func (r Reject) String() string {
	r.clean()
	var b strings.Builder
	if r.Source != "" {
		fmt.Fprintf(&b, "%s: ", r.Source)
	}
	if r.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", r.Line)
	}
	if r.Column != "" {
		fmt.Fprintf(&b, "column %q", r.Column)
		if r.Value != "" || !strings.HasPrefix(r.Reason, "is ") { // column "a" is empty
			b.WriteString(":")
		}
		b.WriteString(" ")
	}
	if r.Value != "" {
		fmt.Fprintf(&b, "%q ", r.Value)
	}
	b.WriteString(r.Reason)
	return b.String()
}

// RejectError ends a run whose rejects went past the budget. It is permanent:
// the same data would be refused again.
type RejectError struct {
	First      Reject // the first that was set aside, without its Record
	Last       Reject // the one that broke the budget, likewise
	Count      int64  // how many there were, the last included
	Budget     int    // [Options].MaxRejects
	MostReason string // the most frequent reason
	MostCount  int64  // how often it was given
}

func (e *RejectError) Error() string {
	if e.Budget == 0 {
		return e.First.String()
	}
	return fmt.Sprintf("%d records were rejected, %d are allowed; the first: %v; the most frequent reason (%d times): %s",
		e.Count, e.Budget, e.First, e.MostCount, e.MostReason)
}

// MaxRejectsFrom returns how many rejects the run that ctx belongs to allows
// ([Options].MaxRejects): 0 none, -1 any number. It is 0 for a stage that may not
// reject at all because it is behind the stream of [Rejects], and outside a run.
// For stages that prepare for rejects only where there can be some.
func MaxRejectsFrom(ctx context.Context) int {
	s := scopeFrom(ctx)
	if s == nil || s.attempt == nil || s.node != nil && s.node.behindRejects {
		return 0
	}
	return s.attempt.rejects.budget
}

// maxReasons bounds the memory for counting reasons; later ones go uncounted.
const maxReasons = 256

// rejectBook counts the rejects of one attempt and passes them to the stream
// of Rejects.
type rejectBook struct {
	budget int

	mu      sync.Mutex
	count   int64
	first   Reject
	reasons map[string]int64

	stream sync.Mutex      // serialises the writer; held while the stream's readers are busy
	out    *Writer[Reject] // nil when nobody asked for the stream
	ended  chan struct{}   // closed when no more rejects can come
}

// rejectPort is one stage's way into the book.
type rejectPort struct {
	run  *nodeRun
	book *rejectBook
}

// kept tells whether anybody will see more of a reject than an error shows. If not, its record need not be made.
func (p *rejectPort) kept() bool {
	if p == nil {
		return false
	}
	o := &p.run.attempt.p.options
	return p.book.out != nil || o.OnReject != nil || o.OnEvent != nil
}

func (p *rejectPort) reject(r Reject) error {
	if r.Stage == "" && p != nil {
		r.Stage = p.run.node.name
	}
	r.clean()
	if p == nil { // a source that is read outside any run
		return Permanent(&RejectError{First: r, Last: r, Count: 1, MostReason: r.Reason, MostCount: 1})
	}
	select {
	case <-p.run.done: // by a goroutine that the stage left behind
		return errReturned
	default:
	}
	p.run.rejects.Add(1)
	p.run.attempt.event(Event{Kind: EventReject, Stage: r.Stage, Reject: r})
	if seen := p.run.attempt.p.options.OnReject; seen != nil {
		seen(r)
	}
	if p.run.behindRejects {
		return Permanent(fmt.Errorf("a stage behind the stream of rejects cannot reject: %v", r))
	}
	err := p.book.enter(r)
	if err != nil {
		// The run is lost also when the stage forgets to return the error.
		p.run.fail(err)
		return err
	}
	if p.book.out == nil {
		return nil
	}
	p.book.stream.Lock()
	defer p.book.stream.Unlock()
	return p.book.out.Write(r)
}

// enter counts a reject and holds the count against the budget.
func (b *rejectBook) enter(r Reject) error {
	r.Record = nil
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count++
	if b.count == 1 {
		b.first = r
	}
	if _, known := b.reasons[r.Reason]; known || len(b.reasons) < maxReasons {
		b.reasons[r.Reason]++
	}
	if b.budget < 0 || b.count <= int64(b.budget) {
		return nil
	}
	e := &RejectError{First: b.first, Last: r, Count: b.count, Budget: b.budget}
	for reason, n := range b.reasons {
		if n > e.MostCount || n == e.MostCount && reason < e.MostReason {
			e.MostReason, e.MostCount = reason, n
		}
	}
	return Permanent(e)
}

// serve is the work of the node that the stream begins at: it waits until no
// reject can come any more.
func (b *rejectBook) serve(ctx context.Context) error {
	b.out.stats.start()
	defer b.out.stats.finish()
	select {
	case <-b.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	b.stream.Lock()
	defer b.stream.Unlock()
	return b.out.end(nil)
}
