package runs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/work"
	"github.com/millrace/millrace/sinks"
	"github.com/millrace/millrace/sources"
)

// fine is a definition with nothing wrong, which some change makes wrong.
func fine(name string) Definition {
	return Definition{Name: name, Build: func(context.Context, Run) (*pipeline.Pipeline, error) {
		p := pipeline.New(name, pipeline.Options{})
		pipeline.To(pipeline.From(p, "in", sources.Slice[item]{}), "out", &sinks.Slice[item]{})
		return p, nil
	}}
}

func TestAWrongDefinitionIsAnErrorThatNamesIt(t *testing.T) {
	tests := []struct {
		name   string
		change func(d *Definition)
		want   string
	}{
		{"no name", func(d *Definition) { d.Name = "" }, `definition "": the name must be`},
		{"a name with a space", func(d *Definition) { d.Name = "a b" }, `definition "a b": the name must be`},
		{"no build", func(d *Definition) { d.Build = nil }, "it has no Build"},
		{"a cron line that is none", func(d *Definition) { d.Schedule = "61 * * * *" }, `schedule "61 * * * *": end of range (61) above maximum (59)`},
		{"a cron line of six fields", func(d *Definition) { d.Schedule = "0 0 * * * *" }, "expected exactly 5 fields"},
		{"an unknown zone", func(d *Definition) { d.Schedule = "TZ=Mars/Base 0 * * * *" }, "Mars/Base"},
		{"a zone and nothing else", func(d *Definition) { d.Schedule = "TZ=UTC" }, `schedule "TZ=UTC"`},
		{"a day that never comes", func(d *Definition) { d.Schedule = "0 0 31 2 *" }, "there is no such day"},
		{"@every", func(d *Definition) { d.Schedule = "@every 5m" }, "@every has no due dates"},
		{"an unknown policy", func(d *Definition) { d.CatchUp = "never" }, `CatchUp is "never"`},
		{"a negative number", func(d *Definition) { d.MaxActive = -1 }, "MaxActive is -1"},
		{"a negative bound", func(d *Definition) { d.MaxCatchUp = -1 }, "MaxCatchUp is -1"},
		{"a negative time", func(d *Definition) { d.Timeout = -1 }, "its Timeout is -1ns"},
		{"a negative backoff", func(d *Definition) { d.Retry.Backoff = -1 }, "Retry: nothing in it can be negative"},
		{"a param without a name", func(d *Definition) { d.Params = []Param{{}} }, `param "": the name must be`},
		{"a param twice", func(d *Definition) { d.Params = []Param{{Name: "a"}, {Name: "a"}} }, `param "a": the name is used twice`},
		{"a param of no type", func(d *Definition) { d.Params = []Param{{Name: "a", Type: "uuid"}} }, `unknown type "uuid"`},
		{"an enum of nothing", func(d *Definition) { d.Params = []Param{{Name: "a", Type: Enum}} }, "an enum needs Values"},
		{"a default of the wrong type", func(d *Definition) { d.Params = []Param{{Name: "a", Type: Int, Default: "x"}} }, `param "a": its default: "x" is not a whole number`},
		{"a required param on a schedule", func(d *Definition) {
			d.Schedule, d.Params = "@daily", []Param{{Name: "a", Required: true}}
		}, "nobody gives it when the schedule is due"},
		{"a build that fails", func(d *Definition) {
			d.Build = func(context.Context, Run) (*pipeline.Pipeline, error) { return nil, errors.New("no such folder") }
		}, `definition "fine": its Build: no such folder`},
		{"a build that panics", func(d *Definition) {
			d.Build = func(_ context.Context, r Run) (*pipeline.Pipeline, error) { panic(r.Params.Int("nothing")) }
		}, `panic: runs: the definition has no param "nothing"`},
		{"a build of nothing", func(d *Definition) {
			d.Build = func(context.Context, Run) (*pipeline.Pipeline, error) { return nil, nil }
		}, "it returned no pipeline and no error"},
		{"a pipeline of another name", func(d *Definition) { d.Build = fine("other").Build }, `of the name "other"`},
		{"a graph that is wrong", func(d *Definition) {
			d.Build = func(context.Context, Run) (*pipeline.Pipeline, error) {
				p := pipeline.New("fine", pipeline.Options{})
				pipeline.From(p, "in", sources.Slice[item]{})
				return p, nil
			}
		}, "the graph is wrong: fine: in: nobody reads its stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := fine("fine")
			tt.change(&d)
			r := &Registry{}
			r.Add(fine("other_one"), d)
			err := r.Check(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "definition ") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	r := &Registry{}
	r.Add(fine("a"), fine("b"), fine("a"))
	if err := r.Check(t.Context()); err == nil || err.Error() != `definition "a": the name is used twice` {
		t.Errorf("got %v", err)
	}
}

func TestParamsAreChecked(t *testing.T) {
	d := fine("p")
	d.Params = []Param{
		{Name: "text", Check: func(v string) error {
			if v == "bad" {
				return errors.New("is bad")
			}
			return nil
		}},
		{Name: "many", Type: Int, Default: "7"},
		{Name: "dry", Type: Bool},
		{Name: "day", Type: Date, Required: true},
		{Name: "size", Type: Enum, Values: []string{"small", "large"}, Default: "small"},
	}
	c, err := d.compile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.values(map[string]string{"day": "2025-03-14", "many": "007", "dry": "true"})
	if err != nil {
		t.Fatal(err)
	}
	if v.Int("many") != 7 || v["many"] != "7" || !v.Bool("dry") || v.String("size") != "small" || v.String("text") != "" ||
		!v.Date("day").Equal(time.Date(2025, 3, 14, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the values are %v", v)
	}
	for _, tt := range []struct{ param, value, want string }{
		{"nothing", "1", `pipeline "p" has no param "nothing"; it has text, many, dry, day, size`},
		{"many", "1.5", `param "many": "1.5" is not a whole number`},
		{"many", "99999999999999999999", "is not a whole number of 64 bits"},
		{"dry", "yes", `"yes" is neither true nor false`},
		{"day", "14.3.2025", `"14.3.2025" is not a date like 2025-03-14`},
		{"day", "2025-02-30", "is not a date"},
		{"day", "", `"" is not a date`},
		{"size", "huge", `"huge" is not one of small, large`},
		{"text", "bad", `param "text": is bad`},
		{"text", "\x00", "is not UTF-8 text without NUL"},
		{"text", strings.Repeat("x", 5000), "is 5000 bytes long"},
	} {
		given := map[string]string{"day": "2025-03-14"}
		given[tt.param] = tt.value
		_, err := c.values(given)
		is(t, err, ErrInvalid, tt.want)
		if e, ok := errors.AsType[*Error](err); !ok || e.Field != "params."+tt.param {
			t.Errorf("%s: the field is %+v", tt.param, e)
		}
	}
	_, err = c.values(nil)
	is(t, err, ErrInvalid, `param "day" is required`)
}

func TestAConfigIsChecked(t *testing.T) {
	pool := database(t)
	r := &Registry{}
	for _, tt := range []struct {
		name   string
		config Config
		want   string
	}{
		{"no pool", Config{Registry: r}, "Config.Pool is nil"},
		{"no registry", Config{Pool: pool}, "Config.Registry is nil"},
		{"a schema with a quote", Config{Pool: pool, Registry: r, Schema: `a"b`}, "Config.Schema is"},
		{"too many workers", Config{Pool: pool, Registry: r, Workers: 16}, "the pool has room for 16 connections"},
		{"a number of workers that is none", Config{Pool: pool, Registry: r, Workers: -2}, "use -1 for none"},
		{"a negative lease", Config{Pool: pool, Registry: r, Lease: -1}, "Config.Lease is -1ns"},
		{"a rare heartbeat", Config{Pool: pool, Registry: r, Lease: time.Second, Heartbeat: 800 * time.Millisecond}, "one lost heartbeat would lose the lease"},
		{"a name of bytes", Config{Pool: pool, Registry: r, Name: "\xff"}, "Config.Name"},
	} {
		if _, err := New(t.Context(), tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDueDates(t *testing.T) {
	day := func(d, h int) time.Time { return time.Date(2025, 3, d, h, 0, 0, 0, time.UTC) }
	tests := []struct {
		name    string
		catchUp CatchUp
		most    int
		first   time.Time
		now     time.Time
		want    []time.Time
		next    time.Time
	}{
		{"in time", CatchUpLast, 0, day(3, 3), day(3, 3), []time.Time{day(3, 3)}, day(4, 3)},
		{"in time, though none is made up for", CatchUpSkip, 0, day(3, 3), day(3, 3).Add(time.Second), []time.Time{day(3, 3)}, day(4, 3)},
		{"too early", CatchUpLast, 0, day(3, 3), day(3, 2), nil, day(3, 3)},
		{"three days later, the last", CatchUpLast, 0, day(3, 3), day(5, 12), []time.Time{day(5, 3)}, day(6, 3)},
		{"three days later, none", CatchUpSkip, 0, day(3, 3), day(5, 12), nil, day(6, 3)},
		{"three days later, all", CatchUpAll, 0, day(3, 3), day(5, 12), []time.Time{day(3, 3), day(4, 3), day(5, 3)}, day(6, 3)},
		{"three days later, at most two", CatchUpAll, 2, day(3, 3), day(5, 12), []time.Time{day(4, 3), day(5, 3)}, day(6, 3)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := fine("d")
			d.Schedule, d.CatchUp, d.MaxCatchUp = "0 3 * * *", tt.catchUp, tt.most
			c, err := d.compile(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, next := c.due(tt.first, tt.now)
			if len(got) != len(tt.want) || !next.Equal(tt.next) {
				t.Fatalf("got %v, next %v", got, next)
			}
			for i := range got {
				if !got[i].Equal(tt.want[i]) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
}

func TestASchedulesZoneCounts(t *testing.T) {
	d := fine("d")
	d.Schedule = "TZ=Europe/Istanbul 0 3 * * *"
	c, err := d.compile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if next := c.next(time.Date(2025, 3, 14, 12, 0, 0, 0, time.UTC)); !next.Equal(time.Date(2025, 3, 15, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("next is %v", next)
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	for n, want := range []time.Duration{500 * time.Millisecond, 750 * time.Millisecond, 1125 * time.Millisecond} {
		if got := work.Backoff(pipeline.Retry{}, n); got < want/2 || got > want*3/2 {
			t.Errorf("after failure %d: %v, want about %v", n+1, got, want)
		}
	}
	if got := work.Backoff(pipeline.Retry{}, 1000); got < 30*time.Second || got > 90*time.Second {
		t.Errorf("after failure 1001: %v", got)
	}
}
