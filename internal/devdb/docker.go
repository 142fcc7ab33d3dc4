package devdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ory/dockertest/v3"
	"github.com/ory/dockertest/v3/docker"

	"github.com/millrace/millrace/internal/privatedb"
)

const (
	defaultImage = "postgres:13"

	// pullMemory is how long a pull that took its time to fail is not tried again.
	pullMemory = 10 * time.Minute

	containerPort = "5432/tcp"
	containerName = "millrace-devdb-"

	// A daemon with so much memory, in bytes, keeps the data of tests in it.
	plentifulMemory = 4 << 30
	memoryMount     = "/millrace"

	// containerLabel holds the process ID of the container's keeper.
	containerLabel = "com.github.millrace.devdb.keeper"
)

// daemon is where Docker is looked for; tests replace it.
type daemon struct {
	getenv   func(string) string
	sockets  []string // where it may listen when DOCKER_HOST is not set
	cacheDir string   // where a failed pull is remembered; "" if there is no such place

	// pullTimeout bounds the pull of an image, and pullSilence how long the
	// daemon may say nothing, as it does where no registry can be reached.
	pullTimeout, pullSilence time.Duration
}

func thisDaemon() daemon {
	d := daemon{
		getenv:      os.Getenv,
		sockets:     []string{"/var/run/docker.sock"},
		cacheDir:    privatedb.CacheDir(),
		pullTimeout: 60 * time.Second,
		pullSilence: 20 * time.Second,
	}
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		d.sockets = append(d.sockets, filepath.Join(run, "docker.sock"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		d.sockets = append(d.sockets,
			filepath.Join(home, ".docker", "run", "docker.sock"),
			filepath.Join(home, ".colima", "default", "docker.sock"))
	}
	return d
}

// inDocker is the way through Docker.
func (h daemon) inDocker() privatedb.Way {
	return privatedb.Way{Name: "Docker, image " + h.image(), Hint: "start Docker", Start: h.startContainer}
}

func (h daemon) image() string {
	if image := h.getenv("MILLRACE_POSTGRES_IMAGE"); image != "" {
		return image
	}
	return defaultImage
}

// container is a server in Docker.
type container struct {
	pool     *dockertest.Pool
	name     string
	image    string
	urls     []string // how it may be reached, best first
	url      string   // how it is
	version  string
	password string
	guard    io.Closer // ends the container when this process does
}

func (h daemon) startContainer(ctx context.Context, w privatedb.Want) (privatedb.Backend, error) {
	pool, err := h.dockerPool(ctx)
	if err != nil {
		return nil, err
	}
	repository, tag := splitImage(h.image())
	if err := h.ensureImage(ctx, pool, repository, tag); err != nil {
		return nil, err
	}
	c := &container{pool: pool, name: containerName + privatedb.RandomHex(8), image: h.image(), password: privatedb.RandomHex(16)}
	if err := c.run(ctx, repository, tag, w); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dockerPool finds the daemon: DOCKER_HOST, or the first socket that answers.
func (h daemon) dockerPool(ctx context.Context) (*dockertest.Pool, error) {
	endpoints := []string{""} // dockertest reads the environment
	if h.getenv("DOCKER_HOST") == "" && h.getenv("DOCKER_URL") == "" && h.getenv("DOCKER_MACHINE_NAME") == "" && filepath.Separator == '/' {
		endpoints = nil
		for _, socket := range h.sockets {
			if _, err := os.Stat(socket); err == nil {
				endpoints = append(endpoints, "unix://"+socket)
			}
		}
		if endpoints == nil {
			return nil, fmt.Errorf("no daemon: none of %s is there", strings.Join(h.sockets, ", "))
		}
	}
	var errs []error
	for _, endpoint := range endpoints {
		pool, err := dockertest.NewPool(endpoint)
		if err == nil {
			err = ping(ctx, pool)
		}
		if err == nil {
			return pool, nil
		}
		errs = append(errs, fmt.Errorf("the daemon does not answer: %w", err))
	}
	return nil, errors.Join(errs...)
}

func ping(ctx context.Context, pool *dockertest.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return pool.Client.PingWithContext(ctx)
}

// splitImage takes "repository:tag" apart such that dockertest, which joins
// them with a colon, gets the same image, also if it is named by digest.
func splitImage(image string) (repository, tag string) {
	colon := strings.LastIndexByte(image, ':')
	if colon < 0 || colon < strings.LastIndexByte(image, '/') {
		return image, "latest"
	}
	return image[:colon], image[colon+1:]
}

// ensureImage pulls the image if it is not there, within bounds.
func (h daemon) ensureImage(ctx context.Context, pool *dockertest.Pool, repository, tag string) error {
	image := repository + ":" + tag
	_, err := pool.Client.InspectImage(image)
	if err == nil {
		return nil
	}
	if !errors.Is(err, docker.ErrNoSuchImage) {
		return fmt.Errorf("look for image %s: %w", image, err)
	}
	memory := h.pullMemory(image)
	if info, err := os.Stat(memory); err == nil && time.Since(info.ModTime()) < pullMemory {
		return fmt.Errorf("image %s is not there, and could not be pulled %s ago", image, time.Since(info.ModTime()).Round(time.Second))
	}
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, h.pullTimeout)
	defer cancel()
	err = pool.Client.PullImage(docker.PullImageOptions{
		Repository:        repository,
		Tag:               tag,
		OutputStream:      io.Discard,
		InactivityTimeout: h.pullSilence,
		Context:           bounded,
	}, docker.AuthConfiguration{})
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && memory != "" && time.Since(began) > h.pullSilence/4 {
		// Every package's tests would wait for it again otherwise.
		if os.MkdirAll(filepath.Dir(memory), 0o755) == nil {
			_ = os.WriteFile(memory, nil, 0o600)
		}
	}
	return fmt.Errorf("image %s is not there and cannot be pulled: %w", image, err)
}

// pullMemory names a file that is as old as the last pull that failed.
func (h daemon) pullMemory(image string) string {
	if h.cacheDir == "" {
		return ""
	}
	return filepath.Join(h.cacheDir, "pull-failed-"+url.PathEscape(image))
}

func (c *container) run(ctx context.Context, repository, tag string, w privatedb.Want) error {
	// A port chosen by Docker would be another one after a restart.
	port := "0"
	if w.Durable {
		free, err := privatedb.FreePort()
		if err != nil {
			return err
		}
		port = strconv.Itoa(free)
	}
	host, bind, err := c.reach()
	if err != nil {
		return err
	}
	// Where the image of this version keeps its data does not matter: a folder
	// of our own can be in memory. One on disk is in the volume of the image.
	var env []string
	inMemory := w.Fleeting() && c.memory() >= plentifulMemory
	if inMemory {
		env = append(env, "PGDATA="+memoryMount+"/data")
	}
	command := []string{"postgres"}
	for _, s := range w.Settings() {
		command = append(command, "-c", s)
	}
	resource, err := c.pool.RunWithOptions(&dockertest.RunOptions{
		Name:       c.name,
		Repository: repository,
		Tag:        tag,
		Cmd:        command,
		Env: append(env,
			"POSTGRES_USER="+privatedb.Superuser,
			"POSTGRES_DB=postgres",
			"POSTGRES_PASSWORD="+c.password,
			"POSTGRES_HOST_AUTH_METHOD=scram-sha-256",
			"POSTGRES_INITDB_ARGS=--auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync",
		),
		ExposedPorts: []string{containerPort},
		PortBindings: map[docker.Port][]docker.PortBinding{containerPort: {{HostIP: bind, HostPort: port}}},
		Labels:       map[string]string{containerLabel: strconv.Itoa(os.Getpid())},
	}, func(hc *docker.HostConfig) {
		hc.PublishAllPorts = false
		hc.AutoRemove = !w.Durable // a durable one is to be there after its kill
		if inMemory {
			hc.Tmpfs = map[string]string{memoryMount: "rw,nosuid,nodev,mode=0755"}
		}
		hc.ShmSize = 256 << 20 // parallel queries need more than Docker's 64 MiB
	})
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	if err := c.setGuard(); err != nil {
		return err
	}
	c.urls = []string{c.address(net.JoinHostPort(host, resource.GetPort(containerPort)))}
	if n := resource.Container.NetworkSettings; n != nil && n.IPAddress != "" {
		// From inside another container the published port is out of reach.
		c.urls = append(c.urls, c.address(net.JoinHostPort(n.IPAddress, "5432")))
	}
	return c.await(ctx)
}

// memory is the daemon's, in bytes; 0 if it does not say.
func (c *container) memory() int64 {
	info, err := c.pool.Client.Info()
	if err != nil {
		return 0
	}
	return info.MemTotal
}

// reach says at which host the daemon's ports are, and on which address they
// have to be published for that.
func (c *container) reach() (host, bind string, err error) {
	endpoint, err := url.Parse(c.pool.Client.Endpoint())
	if err != nil {
		return "", "", fmt.Errorf("address of the daemon: %w", err)
	}
	switch name := endpoint.Hostname(); {
	case endpoint.Scheme == "unix" || endpoint.Scheme == "npipe" || name == "" || name == "localhost" || name == "127.0.0.1":
		return "127.0.0.1", "127.0.0.1", nil
	default:
		return name, "0.0.0.0", nil
	}
}

func (c *container) address(hostPort string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(privatedb.Superuser, c.password),
		Host:     hostPort,
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// await waits for the server.
func (c *container) await(ctx context.Context) error {
	reached, version, err := privatedb.AwaitServer(ctx, c.urls, func() error {
		info, err := c.pool.Client.InspectContainer(c.name)
		if err != nil {
			return fmt.Errorf("the container is gone: %w", err)
		}
		if !info.State.Running {
			return fmt.Errorf("the container ended with exit code %d", info.State.ExitCode)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.url, c.version, c.urls = reached, version, []string{reached}
	return nil
}

// setGuard starts a process in the container that reads from this one. If this
// process is killed, the daemon sees the connection end, the guard its input,
// and the server gets the signal for an immediate stop: again and again, since
// a server that is still being prepared does not heed it. dockertest's Expire is
// not used: it asks the daemon to stop the container after a fixed time, which
// takes a connection too and would cut a long session short.
func (c *container) setGuard() error {
	exec, err := c.pool.Client.CreateExec(docker.CreateExecOptions{
		Container:   c.name,
		Cmd:         []string{"sh", "-c", "cat >/dev/null; while kill -QUIT 1; do sleep 1; done"},
		AttachStdin: true,
	})
	if err != nil {
		return fmt.Errorf("guard the container: %w", err)
	}
	input, guard := io.Pipe()
	if _, err := c.pool.Client.StartExecNonBlocking(exec.ID, docker.StartExecOptions{InputStream: input}); err != nil {
		return fmt.Errorf("guard the container: %w", err)
	}
	c.guard = guard
	return nil
}

func (c *container) AdminURL() string { return c.url }
func (c *container) Ours() bool       { return true }

func (c *container) How() string {
	at := c.url[strings.LastIndexByte(c.url, '@')+1 : strings.LastIndexByte(c.url, '/')]
	return fmt.Sprintf("Postgres %s in Docker, image %s, on %s", c.version, c.image, at)
}

func (c *container) Kill(ctx context.Context) error { return c.end(ctx, docker.SIGKILL) }

func (c *container) StopImmediate(ctx context.Context) error { return c.end(ctx, docker.SIGQUIT) }

func (c *container) end(ctx context.Context, signal docker.Signal) error {
	err := c.pool.Client.KillContainer(docker.KillContainerOptions{ID: c.name, Signal: signal, Context: ctx})
	if _, down := errors.AsType[*docker.ContainerNotRunning](err); err != nil && !down {
		return fmt.Errorf("devdb: signal the container: %w", err)
	}
	if _, err := c.pool.Client.WaitContainerWithContext(c.name, ctx); err != nil {
		return fmt.Errorf("devdb: wait for the container: %w", err)
	}
	c.dropGuard()
	return nil
}

func (c *container) Restart(ctx context.Context) error {
	if err := c.pool.Client.StartContainerWithContext(c.name, nil, ctx); err != nil {
		return fmt.Errorf("devdb: restart the container: %w", err)
	}
	if err := c.setGuard(); err != nil {
		return err
	}
	return c.await(ctx)
}

func (c *container) dropGuard() {
	if c.guard != nil {
		_ = c.guard.Close()
		c.guard = nil
	}
}

func (c *container) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := c.pool.Client.RemoveContainer(docker.RemoveContainerOptions{ID: c.name, Force: true, RemoveVolumes: true, Context: ctx})
	c.dropGuard()
	if _, gone := errors.AsType[*docker.NoSuchContainer](err); err != nil && !gone {
		return fmt.Errorf("devdb: remove container %s: %w", c.name, err)
	}
	// Its removal may also be under way, because it ended by itself.
	for {
		_, err := c.pool.Client.InspectContainerWithContext(c.name, ctx)
		if _, gone := errors.AsType[*docker.NoSuchContainer](err); gone {
			return nil
		}
		if err := privatedb.Pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("devdb: remove container %s: %w", c.name, err)
		}
	}
}
