package work

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/millrace/millrace/internal/cleantext"
)

// The sizes of what is kept of a log.
const (
	maxMessage  = 8 << 10                // bytes of one message, or of one field
	flushEvery  = 250 * time.Millisecond // at least, and when an attempt ends
	flushPause  = 50 * time.Millisecond  // between two flushes
	flushLines  = 500
	maxBuffered = 20000 // lines of all runs that wait to be written
)

// logs takes the lines of all runs of this replica and writes them in batches: one
// goroutine, so that the lines of a run get their IDs in order.
type logs struct {
	mu      sync.Mutex
	lines   []logRow
	dropped map[string]struct{} // runs that lost lines to a database that is too slow
	full    chan struct{}       // holds a token when there is much to write
	most    int                 // bytes of one attempt
	level   hclog.Level
}

// logRow is a line on its way into run_logs.
type logRow struct {
	run     string
	attempt int
	stage   string
	level   string
	at      time.Time
	message string
	fields  *string
	cut     bool
}

func newLogs(c Config) *logs {
	return &logs{full: make(chan struct{}, 1), most: c.MaxLogBytes, level: c.LogLevel}
}

// runLog is the log of one attempt. It is an hclog.SinkAdapter.
type runLog struct {
	logs    *logs
	run     string
	attempt int

	mu     sync.Mutex
	bytes  int
	cut    bool
	closed bool
}

func (l *logs) open(run string, attempt int) *runLog {
	return &runLog{logs: l, run: run, attempt: attempt}
}

// loggerOf returns the logger that a run's stages get: what they tell goes into the history and
// to the service's own logger.
func (w *Work) loggerOf(l *live) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Off})
	logger.RegisterSink(l.log)
	logger.RegisterSink(forward{w.DB.Logger})
	return logger
}

// forward is an hclog.SinkAdapter that hands lines to a logger.
type forward struct{ to hclog.Logger }

// Accept implements hclog.SinkAdapter.
func (f forward) Accept(name string, level hclog.Level, message string, args ...any) {
	to := f.to
	if name != "" {
		to = to.Named(name)
	}
	to.Log(level, message, args...)
}

// Accept implements hclog.SinkAdapter.
func (r *runLog) Accept(name string, level hclog.Level, message string, args ...any) {
	if level < r.logs.level {
		return
	}
	line := logRow{run: r.run, attempt: r.attempt, level: level.String(), at: time.Now(), message: cleantext.Short(message, maxMessage)}
	fields := map[string]string{}
	if name != "" {
		fields["logger"] = cleantext.Short(name, 200)
	}
	size := len(line.message) + 64
	for i := 0; i+1 < len(args); i += 2 {
		key, value := fmt.Sprint(args[i]), args[i+1]
		switch key {
		case "pipeline", "run", "attempt": // they are columns
			continue
		case "stage":
			line.stage = cleantext.Short(fmt.Sprint(value), 200)
			continue
		}
		text := cleantext.Short(fmt.Sprint(value), maxMessage)
		fields[cleantext.Short(key, 100)] = text
		size += len(key) + len(text)
	}
	if len(fields) > 0 {
		if document, err := json.Marshal(fields); err == nil {
			text := string(document)
			line.fields = &text
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed || r.cut:
		return
	case r.bytes+size > r.logs.most:
		r.cut = true
		line = logRow{run: r.run, attempt: r.attempt, level: hclog.Warn.String(), at: line.at, cut: true,
			message: fmt.Sprintf("the log of this attempt is longer than %d bytes: what follows is not kept", r.logs.most)}
	}
	r.bytes += size
	r.logs.add(line)
}

func (l *logs) add(line logRow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= maxBuffered { // better no line than no memory
		if l.dropped == nil {
			l.dropped = map[string]struct{}{}
		}
		if _, told := l.dropped[line.run]; told {
			return
		}
		l.dropped[line.run] = struct{}{}
		line.message, line.fields, line.cut = "the database takes lines too slowly: some are not kept", nil, true
	}
	l.lines = append(l.lines, line)
	if len(l.lines) >= flushLines {
		l.wake()
	}
}

func (l *logs) wake() {
	select {
	case l.full <- struct{}{}:
	default:
	}
}

// close ends the log of an attempt: a stage that was left behind tells nothing any more.
func (r *runLog) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.logs.wake()
}

// writeLogs writes lines until ctx ends, and then what is left.
func (w *Work) writeLogs(ctx context.Context) {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			w.flushLogs(bounded)
			cancel()
			return
		case <-ticker.C:
		case <-w.logs.full:
		}
		bounded, cancel := context.WithTimeout(ctx, w.Lease)
		w.flushLogs(bounded)
		cancel()
		select { // so that many runs that end at once cost one statement
		case <-ctx.Done():
		case <-time.After(flushPause):
		}
	}
}

func (w *Work) flushLogs(ctx context.Context) {
	l := w.logs
	l.mu.Lock()
	lines := l.lines
	l.lines, l.dropped = nil, nil
	l.mu.Unlock()
	if len(lines) == 0 {
		return
	}
	// One statement, not COPY: the connection pooler of the house may not bear it, and the
	// lines are few. Lines that cannot be written are lost: the run matters more than what it tells.
	columns := struct {
		runs, stages, levels, messages []string
		attempts                       []int32
		times                          []time.Time
		fields                         []*string
		cuts                           []bool
	}{}
	for _, line := range lines {
		columns.runs, columns.stages = append(columns.runs, line.run), append(columns.stages, line.stage)
		columns.levels, columns.messages = append(columns.levels, line.level), append(columns.messages, line.message)
		columns.attempts, columns.times = append(columns.attempts, int32(line.attempt)), append(columns.times, line.at)
		columns.fields, columns.cuts = append(columns.fields, line.fields), append(columns.cuts, line.cut)
	}
	_, err := w.control.Exec(ctx, w.DB.Of(`
insert into {run_logs} (run_id, attempt, stage, level, at, message, fields, cut)
select run_id, attempt, stage, level, at, message, fields::jsonb, cut
  from unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::boolean[])
       with ordinality as line (run_id, attempt, stage, level, at, message, fields, cut, n)
 order by n`),
		columns.runs, columns.attempts, columns.stages, columns.levels, columns.times, columns.messages, columns.fields, columns.cuts)
	if err != nil {
		w.DB.Logger.Warn("lines of runs' logs could not be written", "lines", len(lines), "error", err)
	}
}
