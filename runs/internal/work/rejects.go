package work

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/internal/cleantext"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/life"
	"github.com/millrace/millrace/runs/internal/tables"
)

// MaxRejects is how many rejects of one attempt are kept in the history.
const MaxRejects = 1000

// maxReasons bounds how many reasons are counted; rarer ones that come later are not.
const maxReasons = 100

// maxRaw is how many bytes of a rejected record are kept.
const maxRaw = 16 << 10

// keptRejects collects what one attempt sets aside. They are kept apart from the
// stream of rejects that a pipeline may have, so that those of a failed run can be seen too.
type keptRejects struct {
	mu      sync.Mutex
	total   int64
	first   []pipeline.Reject
	reasons map[string]int64
	again   bool // an earlier attempt may have stored some
}

// add is called by any stage at any time.
func (k *keptRejects) add(r pipeline.Reject) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.total++
	reason := cleantext.Short(r.Reason, 500)
	if k.reasons == nil {
		k.reasons = map[string]int64{}
	}
	if _, known := k.reasons[reason]; known || len(k.reasons) < maxReasons {
		k.reasons[reason]++
	}
	if len(k.first) < MaxRejects {
		r.Raw = slices.Clone(r.Raw[:min(len(r.Raw), maxRaw)])
		k.first = append(k.first, r)
	}
}

func (k *keptRejects) figures() (*life.Rejects, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reasons == nil {
		return &life.Rejects{Total: k.total, Reasons: []byte("{}")}, nil
	}
	reasons, err := json.Marshal(k.reasons)
	return &life.Rejects{Total: k.total, Reasons: reasons}, err
}

// store replaces the rejects of earlier attempts.
func (k *keptRejects) store(ctx context.Context, tx pgx.Tx, db *tables.DB, id string) error {
	k.mu.Lock()
	kept := slices.Clone(k.first)
	k.mu.Unlock()
	if k.again {
		if _, err := tx.Exec(ctx, db.Of("delete from {run_rejects} where run_id = $1"), id); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	columns := []string{"run_id", "n", "stage", "source", "line", "offset", "raw", "column", "value", "reason", "record"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{db.Schema, "run_rejects"}, columns, pgx.CopyFromSlice(len(kept), func(i int) ([]any, error) {
		r := kept[i]
		return []any{
			id, int64(i + 1), r.Stage, r.Source, r.Line, r.Offset, r.Raw, r.Column, r.Value, r.Reason, r.Record,
		}, nil
	}))
	return err
}
