package tables

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Channel is where the database tells of changes of runs: "<id> <what>".
func (d *DB) Channel() string { return d.Schema + "_runs" }

// Ears are called by Listen.
type Ears struct {
	Begun func()                // what was told before was not heard
	Heard func(id, what string) // what is the new state of the run, "cancel" or "progress"
}

// Listen hears of changes on one connection for the whole replica, and opens it anew when it
// breaks, until ctx ends. What it misses meanwhile the polls find.
func (d *DB) Listen(ctx context.Context, ears Ears) {
	const patience = time.Second
	for ctx.Err() == nil {
		err := d.listenOnce(ctx, ears)
		if ctx.Err() != nil {
			return
		}
		d.Logger.Warn("the connection that hears of changes broke", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(patience):
		}
	}
}

func (d *DB) listenOnce(ctx context.Context, ears Ears) error {
	conn, err := d.dedicated(ctx)
	if err != nil {
		return err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bounded) // it is of no further use either way
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{d.Channel()}.Sanitize()); err != nil {
		return err
	}
	ears.Begun()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		id, what, _ := strings.Cut(n.Payload, " ")
		ears.Heard(id, what)
	}
}
