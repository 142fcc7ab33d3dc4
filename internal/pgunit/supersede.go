package pgunit

import (
	"crypto/sha256"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/millrace/millrace/pipeline"
)

// supersede adds to a batch what ends the sessions that older attempts of the same run have in this
// database, and names this one so that its own successor can find it. An attempt whose
// process was stopped, or cut off from the server, would otherwise hold its locks
// against the next one for as long as it sleeps. It cannot lose a commit by that: the
// ledger's fence, which was passed before, has already barred it from committing.
//
// The name is the session's application_name until the transaction ends, as
// everybody sees it in pg_stat_activity: millrace/<the run, hashed>/<fence>.
func supersede(b *pgx.Batch, run pipeline.Run, fence int64) {
	hash := sha256.Sum256([]byte(run.Pipeline + "\x00" + run.ID))
	prefix := fmt.Sprintf("millrace/%x/", hash[:8])
	// A session of a role that this one may not signal is left alone; its locks then
	// lead to a lock timeout that says so.
	b.Queue(`
select set_config('application_name', $1 || $2::bigint::text, true),
       (select count(pg_terminate_backend(pid))
          from pg_stat_activity
         where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
           and application_name ~ ('^' || $1 || '[0-9]{1,18}$')
           and split_part(application_name, '/', 3)::bigint < $2)`, prefix, fence)
}
