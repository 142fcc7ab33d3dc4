package pgunit

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Ensure makes the ledger or brings it up to date, as the first run that needs it would do.
// For those that migrate before they run anything.
func (l Ledger) Ensure(ctx context.Context) error {
	return Look(ctx, l.Pool, func(conn *pgx.Conn) error { return l.ensure(ctx, conn) })
}
