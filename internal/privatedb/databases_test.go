//go:build unix

package privatedb

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestWithDatabase(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a URL", "postgres://u:p@h:5432/old?sslmode=disable", "postgres://u:p@h:5432/new?sslmode=disable"},
		{"a URL without a database", "postgresql://u@h", "postgresql://u@h/new"},
		{"a database as parameter", "postgres://h/?dbname=old&user=u", "postgres://h/new?user=u"},
		{"keywords", "host=h dbname=old", "host=h dbname=old dbname=new"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := withDatabase(tt.in, "new")
			if err != nil || got != tt.want {
				t.Fatalf("got %q, %v; want %q", got, err, tt.want)
			}
			config, err := pgx.ParseConfig(got)
			if err != nil || config.Database != "new" {
				t.Errorf("pgx reads %v, %v", config, err)
			}
		})
	}
}

func TestAServerThatIsTooOldIsRefused(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// A function in front of pg_catalog's plays the old server.
	for _, sql := range []string{
		`CREATE FUNCTION public.current_setting(name text) RETURNS text LANGUAGE sql AS
			$$ SELECT CASE name WHEN 'server_version' THEN '12.22 (Debian)' ELSE '120022' END $$`,
		`SET search_path = public, pg_catalog`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	_, err = serverVersion(t.Context(), conn)
	if err == nil || err.Error() != "the server is version 12.22; 13 or newer is needed" {
		t.Errorf("got %v", err)
	}
}
