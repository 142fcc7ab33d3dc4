package runs

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// channel is where the database tells of changes of runs: "<id> <what>".
func (s *Service) channel() string { return s.config.Schema + "_runs" }

// listen hears of changes on one connection for the whole replica, and opens it anew when it
// breaks. What it misses meanwhile the polls find.
func (s *Service) listen(ctx context.Context) {
	const patience = time.Second
	for ctx.Err() == nil {
		err := s.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		s.config.Logger.Warn("the connection that hears of changes broke", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(patience):
		}
	}
}

func (s *Service) listenOnce(ctx context.Context) error {
	conn, err := dedicated(ctx, s.pool)
	if err != nil {
		return err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bounded) // it is of no further use either way
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{s.channel()}.Sanitize()); err != nil {
		return err
	}
	s.watchers.dirtyAll()
	s.wakeKeeper()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		id, what, _ := strings.Cut(n.Payload, " ")
		s.watchers.dirty(id)
		switch what {
		case "cancel":
			s.beatSoon(id)
		case string(Retrying):
			s.wakeKeeper()
		}
	}
}

// beatSoon asks for a heartbeat at once, by which a run that this replica works learns that it
// is cancelled.
func (s *Service) beatSoon(id string) {
	s.mu.Lock()
	_, here := s.live[id]
	s.mu.Unlock()
	if !here {
		return
	}
	select {
	case s.beatNow <- struct{}{}:
	default:
	}
}
