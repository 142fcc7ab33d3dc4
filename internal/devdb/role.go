package devdb

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestRole returns a role of the test's own, which may log in and nothing more, and a pool of its
// connections to the database of pool, whose role must be allowed to make roles. At the
// test's end the role is dropped with all that it owns there.
func TestRole(t TB, pool *pgxpool.Pool) (role string, theirs *pgxpool.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	role = "millrace_role_" + strings.ToLower(rand.Text()) // roles belong to the whole server
	password := rand.Text()
	name := pgx.Identifier{role}.Sanitize()
	if _, err := pool.Exec(ctx, "create role "+name+" login password '"+password+"'"); err != nil { // letters and digits
		t.Fatalf("devdb: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		if _, err := pool.Exec(ctx, "drop owned by "+name+" cascade; drop role "+name); err != nil {
			t.Errorf("devdb: %v", err)
		}
	})
	config := pool.Config()
	config.ConnConfig.User, config.ConnConfig.Password = role, password
	theirs, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatalf("devdb: %v", err)
	}
	t.Cleanup(func() { closePool(t, theirs, 10*time.Second) })
	return role, theirs
}
