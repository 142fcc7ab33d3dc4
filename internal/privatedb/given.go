package privatedb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// given is the server of DATABASE_URL. It is used as it is: one that cannot be
// reached is an error, not a reason to look for another.
type given struct {
	url  string
	text string
}

func connectGiven(ctx context.Context, url string) (Backend, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("privatedb: DATABASE_URL: %w", err) // pgx hides the password
	}
	version, err := greet(ctx, url, 15*time.Second)
	if err != nil {
		return nil, fmt.Errorf("privatedb: DATABASE_URL: %w", err)
	}
	text := fmt.Sprintf("Postgres %s of DATABASE_URL at %s:%d", version, config.Host, config.Port)
	return &given{url: url, text: text}, nil
}

var errNotOurs = errors.New("privatedb: the server of DATABASE_URL is not ours to stop or start")

func (g *given) AdminURL() string                    { return g.url }
func (g *given) How() string                         { return g.text }
func (g *given) Ours() bool                          { return false }
func (g *given) Kill(context.Context) error          { return errNotOurs }
func (g *given) StopImmediate(context.Context) error { return errNotOurs }
func (g *given) Restart(context.Context) error       { return errNotOurs }
func (g *given) Close() error                        { return nil }
