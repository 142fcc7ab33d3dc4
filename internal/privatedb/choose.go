package privatedb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Backend is a server that one of the ways found or started. Its methods are
// called one at a time, in the keeper.
type Backend interface {
	// AdminURL is a connection string of a role that makes and drops databases.
	AdminURL() string
	// How says in one line, without secrets, which server this is.
	How() string
	// Ours says that Close takes the whole server with it, databases included.
	Ours() bool
	Kill(ctx context.Context) error
	StopImmediate(ctx context.Context) error
	Restart(ctx context.Context) error
	// Close stops the server and removes what it left, also after Kill.
	Close() error
}

// host is what the ways look at on this machine; tests replace it.
type host struct {
	getenv     func(string) string
	lookPath   func(string) (string, error)
	folders    []string // patterns of folders with server binaries
	repository string   // where server binaries are downloaded; "" is the default of embedded-postgres
	cacheDir   string   // where downloads are kept; "" if there is no such place
	more       []Way    // of the door
}

func thisHost() host {
	h := host{
		getenv:   os.Getenv,
		lookPath: exec.LookPath,
		folders:  binaryFolders,
		cacheDir: CacheDir(),
	}
	return h
}

// CacheDir is where downloads are kept, "" if there is no such place.
func CacheDir() string {
	if privileged() {
		// Another user runs the binaries, who may not look into root's home.
		return "/var/cache/millrace"
	}
	if cache, err := os.UserCacheDir(); err == nil {
		return filepath.Join(cache, "millrace")
	}
	return ""
}

// attempt is a way that did not serve.
type attempt struct {
	Way    string
	Reason string
	Hint   string `json:",omitempty"`
}

// NoServerError says that no Postgres could be found or started: what was
// tried, why each way failed, and what would help.
type NoServerError struct {
	Tried []attempt
}

func (e *NoServerError) Error() string {
	var b strings.Builder
	b.WriteString("privatedb: no Postgres was found and none could be started:\n")
	for _, t := range e.Tried {
		fmt.Fprintf(&b, "  - %s: %s\n", t.Way, strings.ReplaceAll(t.Reason, "\n", "\n    "))
	}
	b.WriteString("set DATABASE_URL to a Postgres 13 or newer, or ")
	for _, t := range e.Tried {
		if t.Hint != "" {
			b.WriteString(t.Hint + ", or ")
		}
	}
	b.WriteString("install the server: " + installHint(runtime.GOOS))
	return b.String()
}

func installHint(goos string) string {
	switch goos {
	case "darwin":
		return "brew install postgresql@17, or Postgres.app"
	case "windows":
		return "winget install PostgreSQL.PostgreSQL.17"
	case "linux":
		return "apt install postgresql, dnf install postgresql-server, or apk add postgresql"
	}
	return "the package is usually called postgresql or postgresql-server"
}

// startTimeout bounds the start of a server, a pull or download not included.
const startTimeout = 90 * time.Second

// A Way is one to get a server.
type Way struct {
	Name  string // for the error that says what was tried
	Hint  string // what would make it serve, such as "start Docker"; "" adds nothing to that error
	Start func(context.Context, Want) (Backend, error)
}

// choose takes the first way that serves, in the order the package documents.
func (h host) choose(ctx context.Context, w Want) (Backend, error) {
	if w.DatabaseURL != "" {
		return connectGiven(ctx, w.DatabaseURL)
	}
	binaries := []Way{{Name: "installed server binaries", Start: h.startInstalled}}
	ways := slices.Concat(binaries, h.more)
	if w.Purpose == ForTests {
		ways = slices.Concat(h.more, binaries)
	}
	ways = append(ways, Way{Name: "downloaded server binaries", Start: h.startDownloaded})

	tried := []attempt{{Way: "DATABASE_URL", Reason: "not set"}}
	if w.Durable {
		tried[0].Reason = "not used for a server that is to be killed"
	}
	for _, way := range ways {
		b, err := way.Start(ctx, w)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("privatedb: %s: %w", way.Name, context.Cause(ctx))
		}
		tried = append(tried, attempt{Way: way.Name, Reason: err.Error(), Hint: way.Hint})
	}
	return nil, &NoServerError{Tried: tried}
}

// Settings are those of a server that is thrown away after use.
func (w Want) Settings() []string {
	settings := []string{
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		"password_encryption=scram-sha-256",
	}
	if !w.Durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	if w.Fleeting() {
		settings = append(settings, "max_wal_size=256MB") // it may take memory
	}
	return settings
}
