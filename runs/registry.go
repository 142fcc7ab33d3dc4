package runs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/schedule"
	"github.com/millrace/millrace/runs/internal/work"
)

// Registry holds the definitions that a program knows. Fill it, then make a service
// with it; it must not be changed afterwards. The zero value is empty.
type Registry struct {
	definitions []Definition
}

// Add adds definitions. What is wrong with them is reported by [Registry.Check], and at the
// start of a service.
func (r *Registry) Add(definitions ...Definition) {
	r.definitions = append(r.definitions, definitions...)
}

// Names returns the names of all definitions, sorted.
func (r *Registry) Names() []string {
	var names []string
	for _, d := range r.definitions {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return names
}

// Check tells what is wrong with the definitions, all of it, each with its name. It
// tries each Build with default params.
func (r *Registry) Check(ctx context.Context) error {
	_, err := r.compile(ctx)
	return err
}

// definition is a Definition that was found right, with what follows from it.
type definition struct {
	Definition
	schedule *schedule.Schedule // nil without one
	graph    pipeline.Graph
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// compile checks all definitions and fills in the defaults.
func (r *Registry) compile(ctx context.Context) (map[string]*definition, error) {
	all := map[string]*definition{}
	var problems []error
	for _, d := range r.definitions {
		if _, twice := all[d.Name]; twice {
			problems = append(problems, fmt.Errorf("definition %q: the name is used twice", d.Name))
			continue
		}
		c, err := d.compile(ctx)
		if err != nil {
			problems = append(problems, fmt.Errorf("definition %q: %w", d.Name, err))
			c = &definition{Definition: d}
		}
		all[d.Name] = c
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return all, nil
}

func (d Definition) compile(ctx context.Context) (*definition, error) {
	c := &definition{Definition: d}
	if c.MaxActive == 0 {
		c.MaxActive = 1
	}
	if c.MaxCatchUp == 0 {
		c.MaxCatchUp = 100
	}
	if c.CatchUp == "" {
		c.CatchUp = CatchUpLast
	}
	c.Retry.MaxAttempts = max(c.Retry.MaxAttempts, 1)
	switch {
	case !goodName.MatchString(d.Name):
		return nil, errors.New(`the name must be made of letters, digits, "_", "-" and ".", begin with a letter or digit, and have at most 100 of them`)
	case d.Build == nil:
		return nil, errors.New("it has no Build")
	case d.MaxActive < 0:
		return nil, fmt.Errorf("MaxActive is %d: it cannot be negative", d.MaxActive)
	case d.MaxCatchUp < 0:
		return nil, fmt.Errorf("MaxCatchUp is %d: it cannot be negative", d.MaxCatchUp)
	case d.Timeout < 0:
		return nil, fmt.Errorf("its Timeout is %v: it cannot be negative", d.Timeout)
	case d.Retry.MaxAttempts < 0 || d.Retry.Backoff < 0 || d.Retry.MaxBackoff < 0:
		return nil, errors.New("Retry: nothing in it can be negative")
	case c.CatchUp != CatchUpLast && c.CatchUp != CatchUpSkip && c.CatchUp != CatchUpAll:
		return nil, fmt.Errorf("CatchUp is %q: use %q, %q or %q", d.CatchUp, CatchUpLast, CatchUpSkip, CatchUpAll)
	}
	if d.Schedule != "" {
		var err error
		if c.schedule, err = schedule.Parse(d.Schedule); err != nil {
			return nil, err
		}
	}
	c.Params = slices.Clone(d.Params)
	if err := checkParams(c.Params); err != nil {
		return nil, err
	}
	for _, p := range c.Params {
		if p.Required && c.schedule != nil {
			return nil, fmt.Errorf("param %q: it is required, but nobody gives it when the schedule is due", p.Name)
		}
	}
	return c, c.try(ctx)
}

func checkParams(params []Param) error {
	seen := map[string]bool{}
	for i := range params {
		p := &params[i]
		if p.Type == "" {
			p.Type = String
		}
		switch {
		case !goodName.MatchString(p.Name):
			return fmt.Errorf("param %q: the name must be made of letters, digits, \"_\", \"-\" and \".\"", p.Name)
		case seen[p.Name]:
			return fmt.Errorf("param %q: the name is used twice", p.Name)
		case !slices.Contains([]Type{String, Int, Bool, Date, Enum}, p.Type):
			return fmt.Errorf("param %q: unknown type %q", p.Name, p.Type)
		case p.Type == Enum && len(p.Values) == 0:
			return fmt.Errorf("param %q: an enum needs Values", p.Name)
		case p.Required && p.Default != "":
			return fmt.Errorf("param %q: it is required, and yet has a default", p.Name)
		}
		seen[p.Name] = true
		for what, value := range map[string]string{"default": p.Default, "example": p.Example} {
			if value == "" {
				continue
			}
			if _, err := p.canonical(value); err != nil {
				return fmt.Errorf("param %q: its %s: %w", p.Name, what, err)
			}
		}
	}
	return nil
}

// try builds the pipeline once and checks its graph. Stages are not asked to validate: the
// tables of a pipeline may be made by the run before.
func (d *definition) try(ctx context.Context) error {
	p, err := d.build(ctx, Run{Pipeline: d.Name, Attempt: 1, LogicalDate: time.Now().UTC().Truncate(24 * time.Hour), Params: d.trial()})
	if err != nil {
		return fmt.Errorf("its Build: %w", err)
	}
	ended, end := context.WithCancel(ctx)
	end() // so that only the graph is looked at
	err = p.WithOptions(func(o *pipeline.Options) { o.State = work.Blank() }).Validate(ended)
	if wrong, ok := errors.AsType[*pipeline.ValidationError](err); ok {
		return fmt.Errorf("its Build: the graph is wrong: %w", wrong)
	}
	d.graph = p.Graph()
	return nil
}

// build calls Build; a panic is its error.
func (d *definition) build(ctx context.Context, run Run) (p *pipeline.Pipeline, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, pipeline.Permanent(fmt.Errorf("panic: %v", r))
		}
	}()
	p, err = d.Build(ctx, run)
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return nil, pipeline.Permanent(errors.New("it returned no pipeline and no error"))
	case p.Name() != d.Name:
		return nil, pipeline.Permanent(fmt.Errorf("it returned a pipeline of the name %q, not that of the definition", p.Name()))
	}
	return p, nil
}

// workable is the definition as this replica works it.
func (d *definition) workable() work.Definition {
	defaults := map[string]string{}
	for _, p := range d.Params {
		defaults[p.Name] = p.Default
	}
	return work.Definition{
		Name: d.Name, Timeout: d.Timeout, Retry: d.Retry, Defaults: defaults,
		Build: func(ctx context.Context, t work.Task) (*pipeline.Pipeline, error) {
			return d.build(ctx, Run{Pipeline: d.Name, ID: t.Run, Attempt: t.Attempt, LogicalDate: t.Date, Params: t.Params})
		},
	}
}

// next returns the first due date after t, nil without one.
func (d *definition) next(t time.Time) *time.Time {
	if d.schedule == nil {
		return nil
	}
	return orNull(d.schedule.Next(t))
}

// due returns the dates for which runs are to be made at the moment now, when the one that was due first is known, and
// the due date after that.
func (d *definition) due(first, now time.Time) (dates []time.Time, next time.Time) {
	return d.schedule.Due(first.UTC(), now, schedule.CatchUp(d.CatchUp), d.MaxCatchUp)
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
