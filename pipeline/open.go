package pipeline

import "context"

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
