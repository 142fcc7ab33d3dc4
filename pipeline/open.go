package pipeline

import "context"

// Opener is an optional ability of a stage: what has to be settled for all stages of a run before the first of them
// starts. Runs that write to the same tables put themselves in order there. Open is called in each attempt, after the
// validation, for one stage after the other in the order in which they were added; an error ends the attempt.
type Opener interface {
	Open(ctx context.Context) error
}

// open is the opening phase of an attempt.
func (a *attempt) open(ctx context.Context) error {
	for _, r := range a.nodes {
		o, ok := r.node.value.(Opener)
		if !ok {
			continue
		}
		scoped := context.WithValue(ctx, scopeKey{}, &scope{run: a.run, state: a.p.options.State, attempt: a, node: r, logger: r.logger})
		err := protect(func() error { return o.Open(scoped) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			r.finish(ctx, err)
			return &StageError{Pipeline: a.p.name, Stage: r.node.name, Err: err}
		}
	}
	return nil
}

// StagesFrom returns the stages of the pipeline that ctx belongs to, as they were given to [From], [Via], [To] and [Do],
// also while it is only validated. It is for stages that must know of each other: of two sinks of one table, say.
func StagesFrom(ctx context.Context) []any {
	s := scopeFrom(ctx)
	if s == nil {
		return nil
	}
	p := s.pipeline
	if s.attempt != nil {
		p = s.attempt.p
	}
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	stages := make([]any, 0, len(p.nodes))
	for _, n := range p.nodes {
		stages = append(stages, n.value)
	}
	return stages
}
