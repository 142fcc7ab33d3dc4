package runs

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/runs/internal/tables"
)

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
	reason := tables.Clean(r.Reason, 500)
	if k.reasons == nil {
		k.reasons = map[string]int64{}
	}
	if _, known := k.reasons[reason]; known || len(k.reasons) < maxReasons {
		k.reasons[reason]++
	}
	if len(k.first) < MaxKeptRejects {
		r.Raw = slices.Clone(r.Raw[:min(len(r.Raw), maxRaw)])
		k.first = append(k.first, r)
	}
}

func (k *keptRejects) counts() (total int64, reasons []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reasons == nil {
		return k.total, []byte("{}"), nil
	}
	reasons, err = json.Marshal(k.reasons)
	return k.total, reasons, err
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
	columns := []string{"run_id", "n", "stage", "source", "line", "offset", "raw", "column", "value", "reason"}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{db.Schema, "run_rejects"}, columns, pgx.CopyFromSlice(len(kept), func(i int) ([]any, error) {
		r := kept[i]
		return []any{
			id, int64(i + 1), tables.Clean(r.Stage, 200), tables.Clean(r.Source, 2000), r.Line, r.Offset, r.Raw,
			tables.Clean(r.Column, 200), tables.Clean(r.Value, 4000), tables.Clean(r.Reason, 4000),
		}, nil
	}))
	return err
}

// Rejects returns what the newest attempt that ended has set aside, a page at a time: at
// most limit (by default and at most 500), after the place where the last page ended, 0 for the first.
//
// Errors: [ErrNotFound]; [ErrInvalid] a negative after or limit.
func (s *Service) Rejects(ctx context.Context, id string, after int64, limit int) (RejectPage, error) {
	none := RejectPage{}
	if err := checkID(id); err != nil {
		return none, err
	}
	limit, err := checkLimit(limit, maxPage)
	if err != nil {
		return none, err
	}
	if after < 0 {
		return none, invalid("after", "after is %d: it cannot be negative", after)
	}
	page := RejectPage{Items: []pipeline.Reject{}}
	var reasons []byte
	err = s.pool.QueryRow(ctx, s.db.Of("select rejects, reject_reasons, (select count(*) from {run_rejects} where run_id = $1) from {runs} where id = $1"), id).
		Scan(&page.Total, &reasons, &page.Kept)
	if tables.IsNoRows(err) {
		return none, notFound("there is no run %s", shown(id))
	}
	if err == nil {
		err = json.Unmarshal(reasons, &page.Reasons)
	}
	if err != nil {
		return none, s.trouble("rejects", err)
	}
	var n int64
	rows, _ := s.pool.Query(ctx, s.db.Of(`select n, stage, source, line, "offset", raw, "column", value, reason from {run_rejects} where run_id = $1 and n > $2 order by n limit $3`), id, after, limit+1)
	var r pipeline.Reject
	_, err = pgx.ForEachRow(rows, []any{&n, &r.Stage, &r.Source, &r.Line, &r.Offset, &r.Raw, &r.Column, &r.Value, &r.Reason}, func() error {
		if len(page.Items) == limit {
			page.Next = n - 1
			return nil
		}
		page.Items = append(page.Items, r)
		return nil
	})
	return page, s.trouble("rejects", err)
}
