package privatedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	downloadVersion = embeddedpostgres.V17
	downloadFrom    = "https://repo1.maven.org/maven2"
	downloadTimeout = 5 * time.Minute
)

// startDownloaded runs server binaries that embedded-postgres downloads to a
// cache folder, once. It is used for the download only: it would start the
// server as the caller, who may be root, and not stop it when the caller is
// killed.
func (h host) startDownloaded(ctx context.Context, w Want) (Backend, error) {
	if h.cacheDir == "" {
		return nil, errors.New("there is no cache folder to keep them in")
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(h.cacheDir, "postgres-"+string(downloadVersion))
	b := binaries{dir: filepath.Join(dir, "bin")}
	if _, err := os.Stat(b.path("postgres")); err != nil {
		if err := h.download(ctx, dir); err != nil {
			return nil, err
		}
	}
	c, err := startCluster(ctx, b, who, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.dir, err)
	}
	c.text = fmt.Sprintf("private Postgres %s, started from %s", c.version, b.dir)
	return c, nil
}

func (h host) download(ctx context.Context, dir string) error {
	from := h.repository
	if from == "" {
		from = downloadFrom
	}
	// embedded-postgres takes no context; so see first that there is an answer.
	probe, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(probe, http.MethodHead, from+"/", nil)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	_ = resp.Body.Close()

	if err := os.MkdirAll(h.cacheDir, 0o755); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	// Unpacked beside its place and then moved there: whole or not at all.
	work, err := os.MkdirTemp(h.cacheDir, "download-")
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	port, err := FreePort()
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	unpacked := filepath.Join(work, "postgres")
	ep := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(downloadVersion).
		BinaryRepositoryURL(from).
		Port(uint32(port)).
		Password(RandomHex(16)).
		CachePath(filepath.Join(work, "archive")).
		RuntimePath(filepath.Join(work, "run")).
		BinariesPath(unpacked).
		Logger(io.Discard))
	done := make(chan error, 1)
	go func() {
		// It downloads, unpacks and starts; the start fails for root.
		err := ep.Start()
		if err == nil {
			err = ep.Stop()
		}
		done <- err
	}()
	bounded, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	select {
	case err = <-done:
	case <-bounded.Done():
		// The folder stays for as long as the goroutine uses it, or for good if
		// the process ends first; it is in a cache.
		go removeAfter(done, work)
		return fmt.Errorf("download: %w", context.Cause(bounded))
	}
	defer os.RemoveAll(work)
	if _, missing := os.Stat(binaries{dir: filepath.Join(unpacked, "bin")}.path("postgres")); missing != nil {
		return fmt.Errorf("download from %s: %w", from, errors.Join(err, missing))
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if err := os.Rename(unpacked, dir); err != nil {
		if _, there := os.Stat(binaries{dir: filepath.Join(dir, "bin")}.path("postgres")); there == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("download: %w", err)
	}
	return nil
}

func removeAfter(done <-chan error, dir string) {
	err := <-done
	_ = errors.Join(err, os.RemoveAll(dir)) // the caller was told that it took too long
}
