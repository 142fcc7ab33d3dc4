package devdb

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A backend is a server that one of the ways found or started. Its methods are
// called one at a time.
type backend interface {
	adminURL() string
	how() string
	// ours says that close takes the whole server with it, databases included.
	ours() bool
	kill(ctx context.Context) error
	stopImmediate(ctx context.Context) error
	restart(ctx context.Context) error
	// close stops the server and removes what it left, also after kill.
	close() error
}

// host is what the ways look at on this machine; tests replace it.
type host struct {
	getenv     func(string) string
	lookPath   func(string) (string, error)
	folders    []string // patterns of folders with server binaries
	sockets    []string // where a Docker daemon may listen when DOCKER_HOST is not set
	repository string   // where server binaries are downloaded; "" is the default of embedded-postgres
	cacheDir   string   // where downloads are kept; "" if there is no such place

	// pullTimeout bounds the pull of an image, and pullSilence how long the
	// daemon may say nothing, as it does where no registry can be reached.
	pullTimeout, pullSilence time.Duration
}

func thisHost() host {
	h := host{
		getenv:   os.Getenv,
		lookPath: exec.LookPath,
		folders:  binaryFolders,
		sockets:  []string{"/var/run/docker.sock"},

		pullTimeout: 60 * time.Second,
		pullSilence: 20 * time.Second,
	}
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		h.sockets = append(h.sockets, filepath.Join(run, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		h.sockets = append(h.sockets,
			filepath.Join(home, ".docker", "run", "docker.sock"),
			filepath.Join(home, ".colima", "default", "docker.sock"))
	}
	if privileged() {
		// Another user runs the binaries, who may not look into root's home.
		h.cacheDir = "/var/cache/millrace"
	} else if cache, err := os.UserCacheDir(); err == nil {
		h.cacheDir = filepath.Join(cache, "millrace")
	}
	return h
}

// attempt is a way that did not serve.
type attempt struct {
	Way    string
	Reason string
}

// NoServerError says that no Postgres could be found or started: what was
// tried, why each way failed, and what would help.
type NoServerError struct {
	Tried []attempt
}

func (e *NoServerError) Error() string {
	var b strings.Builder
	b.WriteString("devdb: no Postgres was found and none could be started:\n")
	for _, t := range e.Tried {
		fmt.Fprintf(&b, "  - %s: %s\n", t.Way, strings.ReplaceAll(t.Reason, "\n", "\n    "))
	}
	b.WriteString("set DATABASE_URL to a Postgres 13 or newer, or start Docker, or install the server: " + installHint(runtime.GOOS))
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

// choose takes the first way that serves, in the order the package documents.
func (h host) choose(ctx context.Context, w want) (backend, error) {
	if w.DatabaseURL != "" {
		return connectGiven(ctx, w.DatabaseURL)
	}
	type way struct {
		name  string
		start func(context.Context, want) (backend, error)
	}
	docker := way{"Docker, image " + h.image(), h.startContainer}
	binaries := way{"installed server binaries", h.startInstalled}
	ways := []way{binaries, docker}
	if w.Purpose == ForTests {
		ways = []way{docker, binaries}
	}
	ways = append(ways, way{"downloaded server binaries", h.startDownloaded})

	tried := []attempt{{"DATABASE_URL", "not set"}}
	if w.Durable {
		tried[0].Reason = "not used for a server that is to be killed"
	}
	for _, way := range ways {
		b, err := way.start(ctx, w)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("devdb: %s: %w", way.name, context.Cause(ctx))
		}
		tried = append(tried, attempt{way.name, err.Error()})
	}
	return nil, &NoServerError{Tried: tried}
}

// serverSettings are those of a server that is thrown away after use.
func serverSettings(w want) []string {
	settings := []string{
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		"password_encryption=scram-sha-256",
	}
	if !w.Durable {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	if w.fleeting() {
		settings = append(settings, "max_wal_size=256MB") // it may take memory
	}
	return settings
}
