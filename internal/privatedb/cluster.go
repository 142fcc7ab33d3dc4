package privatedb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Superuser is the role that a server started here has.
const Superuser = "millrace"

// cluster is a private server from binaries: a data folder below a temporary
// one, and a postmaster that is a child of this process.
type cluster struct {
	binaries binaries
	who      *account
	settings []string
	dir      string
	port     int
	password string
	version  string
	text     string
	running  *postmaster // nil when it is down
}

func startCluster(ctx context.Context, b binaries, who *account, w Want) (*cluster, error) {
	dir, err := temporaryFolder(who, w.Fleeting())
	if err != nil {
		return nil, err
	}
	c := &cluster{binaries: b, who: who, settings: w.Settings(), dir: dir, password: RandomHex(16)}
	if err = c.initdb(ctx); err == nil {
		err = c.startOnFreePort(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }
func (c *cluster) log() string  { return filepath.Join(c.dir, "log") }

func (c *cluster) initdb(ctx context.Context) error {
	file := filepath.Join(c.dir, "password")
	if err := os.WriteFile(file, []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(file)
	if err := chown(file, c.who); err != nil {
		return err
	}
	run := func(locale string) error {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, c.binaries.path("initdb"), "-D", c.data(), "-U", Superuser,
			"--auth=scram-sha-256", "--pwfile="+file, "--encoding=UTF8", "--locale="+locale, "--no-sync")
		cmd.Env = c.env()
		cmd.Dir = c.dir
		cmd.SysProcAttr = as(c.who)
		_, err := output(cmd)
		return err
	}
	// C.UTF-8 sorts by code point and knows letters; not every system has it.
	err := run("C.UTF-8")
	if err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "locale") {
		err = run("C")
	}
	return err
}

// env is what the server's programs see: nothing that configures Postgres.
func (c *cluster) env() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PG") && !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "DATABASE_URL=") &&
			!strings.HasPrefix(e, "LC_") && !strings.HasPrefix(e, "LANG") {
			env = append(env, e)
		}
	}
	return append(env, "HOME="+c.dir)
}

// startOnFreePort retries, since between the moment a port is found free and
// the moment the server takes it, somebody else can.
func (c *cluster) startOnFreePort(ctx context.Context) error {
	const attempts = 5
	for i := 1; ; i++ {
		port, err := FreePort()
		if err != nil {
			return err
		}
		c.port = port
		err = c.start(ctx)
		if err == nil || i == attempts || ctx.Err() != nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
}

// FreePort returns a port of 127.0.0.1 that nobody listens on now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func (c *cluster) start(ctx context.Context) error {
	settings := append([]string{
		"port=" + strconv.Itoa(c.port),
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"lc_messages=C",
	}, c.settings...)
	if runtime.GOOS != "windows" {
		// In the data folder, and not where it would stay after a kill.
		settings = append(settings, "dynamic_shared_memory_type=mmap")
	}
	args := []string{"-D", c.data()}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	log, err := os.OpenFile(c.log(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(c.binaries.path("postgres"), args...)
	cmd.Env = c.env()
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = as(c.who)
	withParent(cmd.SysProcAttr)
	p, err := launch(cmd)
	if err != nil {
		return err
	}
	c.running = p
	_, version, err := AwaitServer(ctx, []string{c.AdminURL()}, func() error {
		select {
		case <-p.done:
			said, _ := os.ReadFile(c.log())
			return fmt.Errorf("postgres ended: %w: %s", p.err, lastLines(string(said), 6))
		default:
			return nil
		}
	})
	if err != nil {
		return errors.Join(err, c.halt())
	}
	c.version = version
	return nil
}

func (c *cluster) AdminURL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(Superuser, c.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func (c *cluster) How() string { return fmt.Sprintf("%s, on 127.0.0.1:%d", c.text, c.port) }

func (c *cluster) Ours() bool { return true }

// Kill ends all processes at once. The postmaster is frozen first, so that its
// children are known.
func (c *cluster) Kill(ctx context.Context) error {
	p := c.running
	if p == nil {
		return nil
	}
	if err := freeze(p.pid); err != nil {
		return err
	}
	children, err := childrenOf(ctx, p.pid)
	for _, pid := range append([]int{p.pid}, children...) {
		err = errors.Join(err, kill(pid))
	}
	<-p.done
	c.running = nil
	return err
}

func (c *cluster) StopImmediate(ctx context.Context) error {
	p := c.running
	if p == nil {
		return nil
	}
	if err := signalProcess(p.pid, signalImmediate); err != nil {
		return err
	}
	select {
	case <-p.done:
		c.running = nil
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Restart retries: what is left of a killed server keeps its shared memory
// until its last process has noticed.
func (c *cluster) Restart(ctx context.Context) error {
	if c.running != nil {
		return errors.New("privatedb: restart: the server is running")
	}
	for {
		err := c.start(ctx)
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "shared memory block") {
			return err
		}
		if Pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// halt ends the postmaster, whatever it takes.
func (c *cluster) halt() error {
	if c.running == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if c.StopImmediate(ctx) == nil {
		return nil
	}
	return c.Kill(context.Background())
}

func (c *cluster) Close() error {
	err := c.halt()
	c.forgetKilled()
	// Children of a killed postmaster may still be writing.
	for i := 0; ; i++ {
		removed := os.RemoveAll(c.dir)
		if removed == nil || i == 50 {
			return errors.Join(err, removed)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// forgetKilled removes what a killed server leaves outside of its folder: the
// segment of shared memory that would tell the next start of its death. Its ID
// is in the lock file, "key id" on line 7; a server that ended by itself has
// removed both.
func (c *cluster) forgetKilled() {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return
	}
	lines := strings.Split(string(text), "\n")
	var key, id int
	if len(lines) < 7 {
		return
	}
	if _, err := fmt.Sscan(lines[6], &key, &id); err == nil {
		removeSharedMemory(id)
	}
}
