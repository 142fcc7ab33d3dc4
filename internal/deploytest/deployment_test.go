package deploytest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// enabled is the variable that makes the tests bring deployments up.
const enabled = "MILLRACE_DEPLOYMENT"

// deployment is one project of Compose.
type deployment struct {
	command  []string // of Compose
	project  string
	settings map[string]string // the variables of docker-compose.yml that are not as in .env.example
	known    *regexp.Regexp    // the names of all variables
	client   *http.Client
}

// newDeployment has a name of its own and free ports. It is taken down at the end of the test, and its logs are shown
// if the test failed.
func newDeployment(t *testing.T) *deployment {
	t.Helper()
	if os.Getenv(enabled) != "1" {
		t.Skipf("brings a deployment up, which needs Docker and builds images: %s=1 or make e2e runs it", enabled)
	}
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	d := &deployment{
		command: []string{"docker", "compose"},
		project: "millrace-e2e-" + hex.EncodeToString(id[:]),
		client:  &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
		settings: map[string]string{
			"MILLRACE_TAG": "e2e", "POSTGRES_VERSION": "13",
			"GOPROXY": goEnv(t, "GOPROXY"), "GOSUMDB": goEnv(t, "GOSUMDB"),
		},
	}
	if _, err := exec.LookPath("docker-compose"); err == nil {
		d.command = []string{"docker-compose"}
	}
	d.known = regexp.MustCompile("^(" + strings.Join(names(t), "|") + ")$")
	ports := freePorts(t, 4)
	for i, name := range []string{"FRONTEND_PORT", "CONSOLE_PORT", "API_PORT", "DATABASE_PORT"} {
		d.settings[name] = strconv.Itoa(ports[i])
	}
	t.Cleanup(func() {
		d.client.CloseIdleConnections()
		if t.Failed() {
			out, _ := d.try("logs", "--no-color", "--tail=40") // all that can be told of the failure
			t.Logf("the end of the logs:\n%s", out)
		}
		d.set("POSTGRES_VERSION", "13")
		if out, err := d.try("down", "--volumes", "--remove-orphans", "--timeout", "5"); err != nil {
			t.Errorf("taking it down: %v\n%s", err, out)
		}
	})
	return d
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// names are those that .env.example tells of.
func names(t *testing.T) []string {
	t.Helper()
	var all []string
	for name := range told(t) {
		all = append(all, name)
	}
	return all
}

// freePorts finds ports that nobody listens on, all different.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all are held until all are found
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func (d *deployment) set(name, value string) { d.settings[name] = value }

// try runs Compose, whose output it returns.
func (d *deployment) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // building may take long
	defer cancel()
	args = append(append(d.command[1:len(d.command):len(d.command)], "--project-name", d.project, "--env-file", ".env.example"), args...)
	c := exec.CommandContext(ctx, d.command[0], args...)
	c.Dir = root
	// .env.example stands in for an .env of the developer's, and what their environment says does not count either.
	c.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return d.known.MatchString(name)
	})
	for name, value := range d.settings {
		c.Env = append(c.Env, name+"="+value)
	}
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	return string(out), err
}

// compose runs Compose, which must succeed.
func (d *deployment) compose(t *testing.T, args ...string) string {
	t.Helper()
	out, err := d.try(args...)
	if err != nil {
		t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, tail(out, 4000))
	}
	return out
}

// scale brings it up with so many backends.
func (d *deployment) scale(t *testing.T, backends int) {
	t.Helper()
	d.compose(t, "up", "-d", "--scale", "backend="+strconv.Itoa(backends))
}

// containers are those of a service that run.
func (d *deployment) containers(t *testing.T, service string) []string {
	t.Helper()
	return strings.Fields(docker(t, "ps", "-q", "--filter", "status=running",
		"--filter", "label=com.docker.compose.project="+d.project, "--filter", "label=com.docker.compose.service="+service))
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// url is an address of the host, by the variable that names its port.
func (d *deployment) url(port, path string) string {
	return "http://localhost:" + d.settings[port] + path
}

type answer struct {
	status int
	header http.Header
	body   string
}

// get asks once.
func (d *deployment) get(url string) (answer, error) { return d.ask(http.MethodGet, url, "") }

func (d *deployment) ask(method, url, body string) (answer, error) {
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := d.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// mustGet asks once, for 200.
func (d *deployment) mustGet(t *testing.T, port, path string) answer {
	t.Helper()
	a, err := d.get(d.url(port, path))
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("GET %s on %s: status %d, %v\n%s", path, port, a.status, err, tail(a.body, 500))
	}
	return a
}

// healthy waits until a service's container passes its check.
func (d *deployment) healthy(t *testing.T, service string) {
	t.Helper()
	eventually(t, 60*time.Second, service+" is healthy", func() error {
		ids := d.containers(t, service)
		if len(ids) == 0 {
			return fmt.Errorf("no container runs")
		}
		for _, id := range ids {
			if state := strings.TrimSpace(docker(t, "inspect", "--format", "{{.State.Health.Status}}", id)); state != "healthy" {
				return fmt.Errorf("%s is %s", id, state)
			}
		}
		return nil
	})
}

// says waits until a service's log has a line with the words, and returns it.
func (d *deployment) says(t *testing.T, service, words string) string {
	t.Helper()
	var found string
	eventually(t, 60*time.Second, "the log of "+service+" says "+strconv.Quote(words), func() error {
		out, err := d.try("logs", "--no-color", "--tail=200", service)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			if strings.Contains(line, words) {
				found = strings.TrimSpace(line)
				return nil
			}
		}
		return fmt.Errorf("not in\n%s", tail(out, 3000))
	})
	return found
}

// eventually asks often until there is no error, and fails the test with the last one when the time is over. It
// returns how long it took.
func eventually(t *testing.T, limit time.Duration, what string, ask func() error) time.Duration {
	t.Helper()
	began := time.Now()
	often := time.NewTicker(50 * time.Millisecond)
	defer often.Stop()
	for {
		err := ask()
		took := time.Since(began)
		if err == nil {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
		<-often.C
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
