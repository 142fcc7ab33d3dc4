//go:build unix

package privatedb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bareHost is a machine with nothing on it and no way out.
func bareHost(t *testing.T) host {
	t.Helper()
	port, err := FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return host{
		getenv:     func(string) string { return "" },
		lookPath:   func(string) (string, error) { return "", os.ErrNotExist },
		folders:    []string{"/nonexistent/postgresql/*/bin"},
		repository: fmt.Sprintf("http://127.0.0.1:%d", port),
		cacheDir:   filepath.Join(passableDir(t), "cache"),
	}
}

func TestNothingServes(t *testing.T) {
	tests := []struct {
		name string
		want Want
		ways []string
	}{
		{"tests", Want{Purpose: ForTests}, []string{"DATABASE_URL", "a way of the door", "installed server binaries", "downloaded server binaries"}},
		{"examples", Want{Purpose: ForExamples}, []string{"DATABASE_URL", "installed server binaries", "a way of the door", "downloaded server binaries"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := bareHost(t)
			h.more = []Way{{Name: "a way of the door", Hint: "open the door", Start: func(context.Context, Want) (Backend, error) {
				return nil, errors.New("it is closed")
			}}}
			_, err := h.choose(t.Context(), tt.want)
			none, ok := errors.AsType[*NoServerError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			var tried []string
			for _, a := range none.Tried {
				tried = append(tried, a.Way)
			}
			if got, want := strings.Join(tried, "; "), strings.Join(tt.ways, "; "); got != want {
				t.Errorf("tried %s, want %s", got, want)
			}
			for _, part := range []string{
				"no Postgres was found and none could be started",
				"DATABASE_URL: not set",
				"a way of the door: it is closed",
				"none in PATH, in the folder that pg_config names, or in /nonexistent/postgresql/*/bin",
				"download: ", "connection refused",
				"set DATABASE_URL to a Postgres 13 or newer, or open the door, or install the server: ",
			} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error lacks %q:\n%v", part, err)
				}
			}
			// It survives the way from the keeper to its user.
			if far := fail(err).err(); far.Error() != err.Error() || !errors.As(far, &none) {
				t.Errorf("it arrives as %v", far)
			}
		})
	}
}

func TestTheErrorSaysWhatToInstall(t *testing.T) {
	for goos, want := range map[string]string{
		"linux": "apt install postgresql", "darwin": "brew install postgresql", "windows": "winget install", "plan9": "package",
	} {
		if got := installHint(goos); !strings.Contains(got, want) {
			t.Errorf("%s: %s", goos, got)
		}
	}
}

// fakeServer writes programs that say they are a version of the server.
func fakeServer(t *testing.T, dir, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheNewestInstalledVersionIsFirstAndOldOnesAreLeftOut(t *testing.T) {
	root := passableDir(t)
	h := bareHost(t)
	h.folders = []string{root + "/lib/*/bin"}
	fakeServer(t, root+"/lib/9.6/bin", "9.6.24")
	fakeServer(t, root+"/lib/13/bin", "13.23 (Debian 13.23-1)")
	fakeServer(t, root+"/lib/18/bin", "18beta1")
	fakeServer(t, root+"/path", "16.1")
	fakeServer(t, root+"/config", "17.5")
	fakeServer(t, root+"/lib/odd/bin", "odd")
	if err := os.MkdirAll(root+"/lib/client/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n[ \"$1\" = --bindir ] && echo '" + root + "/config'\n"
	if err := os.WriteFile(root+"/path/pg_config", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	h.lookPath = func(name string) (string, error) {
		path := filepath.Join(root, "path", name)
		_, err := os.Stat(path)
		return path, err
	}

	who, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	found, problems := h.installed(t.Context(), who)
	var got []string
	for _, b := range found {
		got = append(got, fmt.Sprintf("%d in %s", b.major, strings.TrimPrefix(b.dir, root)))
	}
	want := "18 in /lib/18/bin, 17 in /config, 16 in /path, 13 in /lib/13/bin"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("found %s, want %s", s, want)
	}
	text := errors.Join(problems...).Error()
	for _, part := range []string{"9.6/bin: is version 9; 13 or newer is needed", `odd/bin: unknown version "postgres (PostgreSQL) odd"`} {
		if !strings.Contains(text, part) {
			t.Errorf("the problems lack %q:\n%s", part, text)
		}
	}

	// Programs that are no server: each is tried, and the error says so.
	_, err = h.startInstalled(t.Context(), want13)
	if err == nil {
		t.Fatal("a script served")
	}
	for _, dir := range []string{"/lib/18/bin", "/config", "/path", "/lib/13/bin"} {
		if !strings.Contains(err.Error(), dir+": ") {
			t.Errorf("the error lacks %s:\n%v", dir, err)
		}
	}
}

var want13 = Want{Purpose: ForTests}
