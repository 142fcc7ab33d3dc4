package privatedb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binaryFolders are where packages put server binaries outside of PATH.
var binaryFolders = []string{
	"/usr/lib/postgresql/*/bin",                      // Debian, Ubuntu
	"/usr/pgsql-*/bin",                               // the PostgreSQL project's RPMs
	"/usr/libexec/postgresql*",                       // Alpine
	"/usr/local/pgsql/bin",                           // built from source
	"/opt/homebrew/opt/postgresql*/bin",              // Homebrew, Apple silicon
	"/usr/local/opt/postgresql*/bin",                 // Homebrew, Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin", // Homebrew, Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	`C:\Program Files\PostgreSQL\*\bin`,
}

// binaries are those of one server version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.dir, name)
}

// startInstalled starts a cluster of the newest installed version that works.
func (h host) startInstalled(ctx context.Context, w Want) (Backend, error) {
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	found, problems := h.installed(ctx, who)
	for _, b := range found {
		c, err := startCluster(ctx, b, who, w)
		if err == nil {
			c.text = fmt.Sprintf("private Postgres %s, started from %s", c.version, b.dir)
			return c, nil
		}
		problems = append(problems, fmt.Errorf("%s: %w", b.dir, err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(problems) == 0 {
		return nil, fmt.Errorf("none in PATH, in the folder that pg_config names, or in %s", strings.Join(h.folders, ", "))
	}
	return nil, errors.Join(problems...)
}

// Installed reports whether there are server binaries here that can be used.
func Installed(ctx context.Context) bool {
	who, err := unprivileged()
	if err != nil {
		return false
	}
	found, _ := thisHost().installed(ctx, who)
	return len(found) > 0
}

// installed lists what can be used, newest first, and why others cannot.
func (h host) installed(ctx context.Context, who *account) ([]binaries, []error) {
	var dirs []string
	add := func(dir string) {
		// Debian's PATH leads to symbolic links and wrappers.
		if real, err := filepath.EvalSymlinks(dir); err == nil && !slices.Contains(dirs, real) {
			dirs = append(dirs, real)
		}
	}
	if initdb, err := h.lookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			add(filepath.Dir(real))
		}
	}
	if config, err := h.lookPath("pg_config"); err == nil {
		if out, err := output(exec.CommandContext(ctx, config, "--bindir")); err == nil {
			add(strings.TrimSpace(out))
		}
	}
	for _, pattern := range h.folders {
		matches, _ := filepath.Glob(pattern)
		for _, dir := range matches {
			add(dir)
		}
	}

	var found []binaries
	var problems []error
	for _, dir := range dirs {
		b := binaries{dir: dir}
		if _, err := os.Stat(b.path("initdb")); err != nil {
			continue // a client's package
		}
		if _, err := os.Stat(b.path("postgres")); err != nil {
			continue
		}
		major, err := b.version(ctx, who)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", dir, err))
		case major < minimalVersion:
			problems = append(problems, fmt.Errorf("%s: is version %d; %d or newer is needed", dir, major, minimalVersion))
		default:
			b.major = major
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return b.major - a.major })
	return found, problems
}

var versionPattern = regexp.MustCompile(`\) (\d+)`)

// version asks as the account that is to run them, which shows that it can.
func (b binaries) version(ctx context.Context, who *account) (int, error) {
	cmd := exec.CommandContext(ctx, b.path("postgres"), "--version")
	cmd.SysProcAttr = as(who)
	out, err := output(cmd)
	if err != nil {
		return 0, err
	}
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("unknown version %q", strings.TrimSpace(out))
	}
	return strconv.Atoi(m[1])
}

// output runs a short command; its error says what the command said.
func output(cmd *exec.Cmd) (string, error) {
	cmd.WaitDelay = time.Second
	if cmd.Dir == "" {
		cmd.Dir = "/" // one that the command's user may enter
		if runtime.GOOS == "windows" {
			cmd.Dir = os.TempDir()
		}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if said := lastLines(stderr.String(), 6); said != "" {
			return "", fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, said)
		}
		return "", fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	return string(out), nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
