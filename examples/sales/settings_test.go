package main

import (
	"strings"
	"testing"
)

func TestWrongFlags(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"one that there is not", []string{"-row", "5"}, "flag provided but not defined: -row"},
		{"a number that is none", []string{"-rows", "many"}, `invalid value "many" for flag -rows`},
		{"a negative number", []string{"-rows", "-5"}, "-rows is -5: it cannot be negative"},
		{"a mode that there is not", []string{"-progress", "loud"}, "want auto, on or off"},
		{"a word too many", []string{"-json", "sales.csv"}, `what is "sales.csv"? There are only flags`},
		{"a file and made up rows", []string{"-rows", "5", "-csv", "x.csv"}, "-rows and -csv exclude each other"},
		{"rows for a given database without -init", []string{"-rows", "5", "-database-url", "postgres://x"}, "it needs -init"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sales(t.Context(), tt.args...)
			if got.status != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestHelpTellsTheFlagsAndNoPassword(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://user:s3cret@localhost/db")
	got := sales(t.Context(), "-h")
	if got.status != exitOK || strings.Contains(got.stderr, "s3cret") {
		t.Errorf("status %d\n%s", got.status, got.stderr)
	}
	for _, flag := range []string{"-database-url URL", "-csv PATH", "-rows N", "-init", "-json", "-graph", "-progress MODE"} {
		if !strings.Contains(got.stderr, "\n  "+flag) {
			t.Errorf("nothing about %s in\n%s", flag, got.stderr)
		}
	}
}

func TestNoPasswordInErrors(t *testing.T) {
	for name, url := range map[string]string{
		"a server that is not there":  "postgres://user:s3cret@127.0.0.1:1/db",
		"a name that is not there":    "postgres://user:s3cret@none.invalid/db",
		"a setting that there is not": "postgres://user:s3cret@127.0.0.1:1/db?sslmode=maybe",
		"a wrong escape":              "postgres://user:s3cret%zz@127.0.0.1:1/db",
		"a slash in the password":     "postgres://user:/s3cret@127.0.0.1:1/db",
		"a password as a parameter":   "postgres://user@127.0.0.1:1/db?password=s3cret&port=x",
		"words with a blank":          "host=127.0.0.1 port=1 password = 's3cret' sslmode=maybe",
		"no URL at all":               "s3cret",
	} {
		t.Run(name, func(t *testing.T) {
			got := sales(t.Context(), "-database-url", url, "-progress", "off")
			checkFailure(t, got, []string{"database"})
			if strings.Contains(got.stderr, "s3cret") {
				t.Errorf("the password is in %s", got.stderr)
			}
		})
	}
}
