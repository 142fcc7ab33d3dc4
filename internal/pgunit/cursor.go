package pgunit

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// FetchBytes is about how much a [Cursor] fetches in one turn.
const FetchBytes = 1 << 20

// Cursor reads the rows of a statement through the unit's connection, in fetches that each take a turn of their
// own, so that sinks can load between them and nobody waits for a reader whose output is held up. It sees what
// the run had written when it was declared. Its methods belong to one goroutine.
type Cursor struct {
	unit *Unit
	name string
	next int // how many rows to fetch
}

// NewCursor returns a cursor that is yet to be declared.
func (u *Unit) NewCursor() *Cursor {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cursors++
	return &Cursor{unit: u, name: fmt.Sprintf("millrace_cursor_%d", u.cursors), next: 64}
}

// Declare declares the cursor in a turn of the caller's, outside of any savepoint, with which it would be gone.
func (c *Cursor) Declare(ctx context.Context, conn *pgx.Conn, sql string, params [][]byte, formats []int16) error {
	return conn.PgConn().ExecParams(ctx, "declare "+c.name+" no scroll cursor for "+sql, params, nil, formats, nil).Read().Err
}

// Fetch takes a turn and hands the next rows to each, which must not wait for anything; values are valid
// during the call. It tells whether there may be more.
func (c *Cursor) Fetch(ctx context.Context, formats []int16, each func(values [][]byte) error) (more bool, err error) {
	return c.FetchRows(ctx, c.next, formats, each)
}

// FetchRows is Fetch for so many rows.
func (c *Cursor) FetchRows(ctx context.Context, most int, formats []int16, each func(values [][]byte) error) (more bool, err error) {
	turn, err := c.unit.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer turn.Release()
	rows, bytes := 0, 0
	err = turn.Do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		result := conn.PgConn().ExecParams(ctx, fmt.Sprintf("fetch %d from %s", most, c.name), nil, nil, nil, formats)
		var failed error
		for result.NextRow() {
			rows++
			for _, v := range result.Values() {
				bytes += len(v)
			}
			if failed == nil {
				failed = each(result.Values())
			}
		}
		if _, err := result.Close(); err != nil {
			return err
		}
		return failed
	})
	more = rows == most
	if rows > 0 {
		c.next = min(max(FetchBytes/max(bytes/rows, 1), 1), 8*most, 1<<16)
	}
	return more && err == nil, err
}

// Rest passes the rows by that were not fetched, and returns how many they are.
func (c *Cursor) Rest(ctx context.Context) (rows int64, err error) {
	turn, err := c.unit.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer turn.Release()
	return turn.Exec(ctx, "move forward all in "+c.name)
}

// Close frees what the server keeps for the cursor.
func (c *Cursor) Close(ctx context.Context) error {
	turn, err := c.unit.Acquire(ctx)
	if err != nil {
		return err
	}
	defer turn.Release()
	_, err = turn.Exec(ctx, "close "+c.name)
	return err
}
