package runs

import (
	"github.com/millrace/millrace/internal/pgunit"
)

// runState is the [pipeline.State] of a durable run: the ledger, and in the same transaction
// the end of the run's row.
type runState struct {
	pgunit.Ledger
}
