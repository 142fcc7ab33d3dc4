package privatedb

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// maxSocketPath is what macOS takes, the least of the systems we know.
const maxSocketPath = 100

// connectPrivate starts a keeper for the caller alone.
func (d *Door) connectPrivate(ctx context.Context) (*keeperConn, error) {
	dir, err := os.MkdirTemp(socketBase(), "millrace-devdb-")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	k, err := d.spawnKeeper(ctx, socket)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return k, nil
}

// connectShared joins the keeper that processes of this user share, or starts
// it. Where there is no way to share, the keeper is private.
func (d *Door) connectShared(ctx context.Context) (*keeperConn, error) {
	for range 5 {
		socket, err := d.sharedSocket()
		if err != nil {
			break
		}
		lock, err := lockShared(socket)
		if errors.Is(err, os.ErrNotExist) {
			continue // a keeper that ended removed the folder meanwhile
		}
		if err != nil {
			break
		}
		return d.joinShared(ctx, socket, lock)
	}
	return d.connectPrivate(ctx)
}

// joinShared holds the lock until the keeper is reached, so that two who find
// none do not both start one. A keeper takes it to give up its socket.
func (d *Door) joinShared(ctx context.Context, socket string, lock *sharedLock) (*keeperConn, error) {
	defer lock.release()
	if k, err := dialKeeper(ctx, socket); err == nil {
		lock.keep = true
		return k, nil
	}
	_ = os.Remove(socket) // of a keeper that was killed
	k, err := d.spawnKeeper(ctx, socket)
	lock.keep = err == nil
	return k, err
}

// sharedSocket is where the shared keeper of this user listens, in a folder
// that belongs to this user alone. What decides which server a keeper would
// start is part of the name.
func (d *Door) sharedSocket() (string, error) {
	h := sha256.New()
	for _, name := range []string{"MILLRACE_POSTGRES_IMAGE", "DOCKER_HOST", "PATH", "XDG_RUNTIME_DIR", "HOME"} {
		fmt.Fprintf(h, "%s=%q\n", name, os.Getenv(name))
	}
	dir := filepath.Join(socketBase(), fmt.Sprintf("millrace-devdb-%d", os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	if err := ownFolder(dir); err != nil {
		return "", err
	}
	name := fmt.Sprintf("v%d-%s-%s", protocolVersion, d.name, hex.EncodeToString(h.Sum(nil)[:6]))
	return filepath.Join(dir, name), nil
}

// socketBase is the temporary folder, or a shorter one if the path of a socket
// in it would be too long for the system.
func socketBase() string {
	dir := os.TempDir()
	if len(dir)+len("/millrace-devdb-4294967295/v1-private-0123456789ab.lock") > maxSocketPath && runtime.GOOS != "windows" {
		return "/tmp"
	}
	return dir
}

// spawnKeeper starts a keeper that listens on the socket, and connects to it.
func (d *Door) spawnKeeper(ctx context.Context, socket string) (*keeperConn, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	if runtime.GOOS == "linux" {
		self = "/proc/self/exe" // also after "go run" or "go test" removed the file
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	defer read.Close()

	cmd := exec.Command(self)
	cmd.Args[0] = "millrace-devdb"
	cmd.Env = append(os.Environ(), keeperEnv+"="+d.name+":"+socket)
	cmd.Dir = filepath.Dir(socket)
	cmd.Stdout = write // nothing else is inherited: "go test" waits for who holds its output
	cmd.SysProcAttr = ownSession()
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = read.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := awaitKeeper(read); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	// Not waited for: its end is noticed on the connection, and a wait would
	// add the server's memory to what the system reports for this process.
	_ = cmd.Process.Release()
	return dialKeeper(ctx, socket)
}

// awaitKeeper reads what a new keeper prints until it is ready. Other packages
// of the same program may print from their init functions.
func awaitKeeper(r io.Reader) error {
	var said []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if lines.Text() == keeperReady {
			return nil
		}
		said = append(said, lines.Text())
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return fmt.Errorf("it ended: %s", lastLines(strings.Join(said, "\n"), 6))
}
