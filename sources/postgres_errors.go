package sources

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/millrace/millrace/internal/pgcatalog"
	"github.com/millrace/millrace/pipeline"
)

// SQLSTATEs that need more words
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	syntaxError           = "42601"
	queryCanceled         = "57014"
	insufficientPrivilege = "42501"
	readOnlyTransaction   = "25006"
	undefinedFunction     = "42883"
	lockNotAvailable      = "55P03"
)

const readOnlyAdvice = "a source reads in a read-only transaction; use a step (pipeline.Do) for what writes"

func isCode(err error, code string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == code
}

// refusal says more of what the server refused.
func (r *pgSource) refusal(refused *pgconn.PgError) error {
	err := error(&pgcatalog.ServerError{Err: refused})
	switch refused.Code {
	case readOnlyTransaction:
		// By its class worth a retry, but here it is the source's own transaction.
		return pipeline.Permanent(fmt.Errorf("%w: %s", err, readOnlyAdvice))
	case insufficientPrivilege:
		if grant := r.grant(refused.Message); grant != "" {
			return fmt.Errorf("%w; allow it by %s", err, grant)
		}
	}
	if r.query != "" && refused.Position > 0 {
		if line, column, ok := position(r.query, refused.Position); ok {
			return fmt.Errorf("line %d, column %d: %w", line, column, err)
		}
	}
	return err
}

// denied reads which object a role may not use. A server that speaks another language
// than English is not understood, and its message stands alone.
var denied = regexp.MustCompile(`^permission denied for (table|view|materialized view|foreign table|relation|schema|function|sequence) (.+)$`)

// grant is what an owner or administrator has to say.
func (r *pgSource) grant(message string) string {
	m := denied.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	right := "SELECT ON "
	switch m[1] {
	case "schema":
		right = "USAGE ON SCHEMA "
	case "function":
		right = "EXECUTE ON FUNCTION "
	case "sequence":
		right = "USAGE ON SEQUENCE "
	}
	role := "the role"
	if r.user != "" {
		role = pgx.Identifier{r.user}.Sanitize()
	}
	return "GRANT " + right + pgx.Identifier{m[2]}.Sanitize() + " TO " + role
}

// position turns the server's position, in characters from 1, to line and column.
func position(query string, at int32) (line, column int, ok bool) {
	runes := []rune(query)
	if int(at) > len(runes) {
		return 0, 0, false
	}
	before := string(runes[:at-1])
	line = strings.Count(before, "\n") + 1
	column = len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return line, column, true
}
