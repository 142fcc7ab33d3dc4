package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
)

// config is what the environment says. Only parseConfig makes one, so that its values
// are right.
type config struct {
	databaseURL     string // holds a password; empty: a private server
	metadataURL     string // holds a password; empty: the same database
	listen          string
	insecureListen  bool
	allowedHosts    []string // empty: any
	apiToken        string
	readToken       string
	workers         int
	salesCSV        string // empty: the bundled file
	demo            bool
	replica         string
	triggerRate     float64
	maxStreams      int
	keepRuns        int
	keepDays        int
	shutdownTimeout time.Duration
	logLevel        hclog.Level
	logJSON         bool
}

// setting is one environment variable.
type setting struct {
	name     string
	fallback string // used when the variable is not set or empty
	shown    string // the fallback in words, where it is not a value
	help     string
	set      func(c *config, value string) error
}

func settings() []setting {
	return []setting{
		{
			name: "DATABASE_URL", shown: "a private Postgres that is gone with the server",
			help: "database of the sales tables, postgres://user:password@host:5432/database",
			set:  func(c *config, v string) error { c.databaseURL = v; return checkURL(v) },
		}, {
			name: "MILLRACE_METADATA_URL", shown: "the same database",
			help: "database of the schema millrace: the queue and the history",
			set:  func(c *config, v string) error { c.metadataURL = v; return checkURL(v) },
		}, {
			name: "MILLRACE_LISTEN", fallback: "127.0.0.1:5001",
			help: "address and port; port 0 takes a free one and says which",
			set:  setListen,
		}, {
			name: "MILLRACE_INSECURE_LISTEN", fallback: "0",
			help: "1 allows an address beyond loopback without MILLRACE_API_TOKEN: whoever reaches the port can do everything",
			set:  setBool(func(c *config) *bool { return &c.insecureListen }),
		}, {
			name: "MILLRACE_ALLOWED_HOSTS", shown: "localhost and loopback addresses when it listens there without a token, otherwise any",
			help: "names under which browsers may ask, separated by commas",
			set:  setHosts,
		}, {
			name: "MILLRACE_API_TOKEN", shown: "none",
			help: "bearer token for everything under /api; at least 16 characters",
			set:  func(c *config, v string) error { c.apiToken = v; return checkToken(v) },
		}, {
			name: "MILLRACE_READ_TOKEN", shown: "none",
			help: "bearer token for reading only; needs MILLRACE_API_TOKEN too",
			set:  func(c *config, v string) error { c.readToken = v; return checkToken(v) },
		}, {
			name: "MILLRACE_WORKERS", shown: "twice the CPUs, at least 4",
			help: "runs that this replica works at once, 1 to 256",
			set:  setInt(func(c *config) *int { return &c.workers }, 1, 256),
		}, {
			name: "MILLRACE_SALES_CSV", shown: "the bundled file",
			help: "path of the sales in stores, read by sde_gul_etl",
			set:  func(c *config, v string) error { c.salesCSV = v; return nil },
		}, {
			name: "MILLRACE_DEMO", fallback: "0",
			help: "1 creates and fills the demo's tables where they are missing or empty (implied for a private Postgres)",
			set:  setBool(func(c *config) *bool { return &c.demo }),
		}, {
			name: "MILLRACE_REPLICA", shown: "the host's name and the process's number",
			help: "name of this replica, in X-Served-By and in the history",
			set:  setReplica,
		}, {
			name: "MILLRACE_TRIGGER_RATE", fallback: "50",
			help: "triggers, retries and backfills that this replica takes in a second, with bursts of twice as many",
			set:  setRate,
		}, {
			name: "MILLRACE_MAX_STREAMS", fallback: "500",
			help: "streams of events that this replica serves at once, 1 to 100000",
			set:  setInt(func(c *config) *int { return &c.maxStreams }, 1, 100_000),
		}, {
			name: "MILLRACE_KEEP_RUNS", fallback: "100000",
			help: "runs of each pipeline that the history keeps; 0 is no limit",
			set:  setInt(func(c *config) *int { return &c.keepRuns }, 0, 100_000_000),
		}, {
			name: "MILLRACE_KEEP_DAYS", fallback: "90",
			help: "days for which the history keeps a run; 0 is no limit",
			set:  setInt(func(c *config) *int { return &c.keepDays }, 0, 36500),
		}, {
			name: "MILLRACE_SHUTDOWN_TIMEOUT", fallback: "8s",
			help: "time to end requests and to hand back runs after SIGTERM, 1s to 5m",
			set:  setDuration(func(c *config) *time.Duration { return &c.shutdownTimeout }, time.Second, 5*time.Minute),
		}, {
			name: "MILLRACE_LOG_LEVEL", fallback: "info",
			help: "trace, debug, info, warn, error or off",
			set:  setLogLevel,
		}, {
			name: "MILLRACE_LOG_FORMAT", fallback: "text",
			help: "text or json",
			set:  setLogFormat,
		},
	}
}

// parseConfig reads the environment, and tells all that is wrong with it.
func parseConfig(env func(string) string) (config, error) {
	c := config{workers: max(4, 2*runtime.GOMAXPROCS(0)), replica: defaultReplica()}
	var problems []error
	for _, s := range settings() {
		value := env(s.name)
		if value == "" {
			value = s.fallback
		}
		if value == "" {
			continue
		}
		if err := s.set(&c, value); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, c.check())
	}
	if err := errors.Join(problems...); err != nil {
		return config{}, err
	}
	if len(c.allowedHosts) == 0 && c.loopback() && c.apiToken == "" {
		c.allowedHosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	return c, nil
}

// check finds settings that do not go together.
func (c config) check() error {
	switch {
	case c.readToken != "" && c.apiToken == "":
		return errors.New("MILLRACE_READ_TOKEN: it needs MILLRACE_API_TOKEN too, without which nobody could trigger a run")
	case c.readToken != "" && c.readToken == c.apiToken:
		return errors.New("MILLRACE_READ_TOKEN: it is the same as MILLRACE_API_TOKEN, and so would allow everything")
	case c.apiToken == "" && !c.loopback() && !c.insecureListen:
		return fmt.Errorf("MILLRACE_LISTEN: %s can be reached from other machines: set MILLRACE_API_TOKEN, or MILLRACE_INSECURE_LISTEN=1 if everybody who reaches it may do everything", c.listen)
	case c.metadataURL != "" && c.databaseURL == "":
		return errors.New("MILLRACE_METADATA_URL: it needs DATABASE_URL too: a private Postgres is gone with the server, and the history would outlive it")
	}
	return nil
}

// loopback tells whether only this machine can reach the address.
func (c config) loopback() bool {
	host, _, err := net.SplitHostPort(c.listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func setListen(c *config, v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("%q is not an address with a port, such as 127.0.0.1:5001", v)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		return fmt.Errorf("%q: the port must be a number from 0 to 65535", v)
	}
	if host != "" && host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Errorf("%q: the address must be an IP address or localhost", v)
	}
	c.listen = v
	return nil
}

func setHosts(c *config, v string) error {
	for host := range strings.SplitSeq(v, ",") {
		host = strings.TrimSpace(host)
		name := strings.ToLower(host)
		if inner, ok := strings.CutPrefix(name, "["); ok {
			name, ok = strings.CutSuffix(inner, "]")
			if !ok || !strings.Contains(name, ":") {
				return fmt.Errorf("%q is not an IPv6 address in brackets", host)
			}
		}
		if strings.Contains(name, ":") {
			if net.ParseIP(name) == nil {
				return fmt.Errorf("%q is not an IPv6 address, and a host's name has no port here", host)
			}
		} else if name == "" || strings.ContainsFunc(name, notInHostName) {
			return fmt.Errorf("%q is not a host's name", host)
		}
		c.allowedHosts = append(c.allowedHosts, name)
	}
	return nil
}

// What a browser sends of a name outside ASCII is its punycode. Underscores occur in names of containers.
func notInHostName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

func setReplica(c *config, v string) error {
	if len(v) > 100 {
		return errors.New("it is longer than 100 characters")
	}
	for _, r := range v {
		if r <= ' ' || r > '~' {
			return errors.New("it may hold only visible ASCII characters, since it goes into a header")
		}
	}
	c.replica = v
	return nil
}

func setRate(c *config, v string) error {
	rate, err := strconv.ParseFloat(v, 64)
	if err != nil || !(rate >= 0.1 && rate <= 100_000) { // not the other way round: NaN is out too
		return fmt.Errorf("%q is not a number from 0.1 to 100000", v)
	}
	c.triggerRate = rate
	return nil
}

func setLogLevel(c *config, v string) error {
	c.logLevel = hclog.LevelFromString(v)
	if c.logLevel == hclog.NoLevel {
		return fmt.Errorf("%q is not trace, debug, info, warn, error or off", v)
	}
	return nil
}

func setLogFormat(c *config, v string) error {
	if v != "text" && v != "json" {
		return fmt.Errorf("%q is neither text nor json", v)
	}
	c.logJSON = v == "json"
	return nil
}

func setBool(field func(*config) *bool) func(*config, string) error {
	return func(c *config, v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is neither 0 nor 1", v)
		}
		*field(c) = b
		return nil
	}
}

func setInt(field func(*config) *int, least, most int) func(*config, string) error {
	return func(c *config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, least, most)
		}
		*field(c) = n
		return nil
	}
}

func setDuration(field func(*config) *time.Duration, least, most time.Duration) func(*config, string) error {
	return func(c *config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < least || d > most {
			return fmt.Errorf("%q is not a time from %v to %v, such as 10s", v, least, most)
		}
		*field(c) = d
		return nil
	}
}

// checkToken keeps tokens out that could be guessed, or not be sent in a header. What
// it says does not repeat the token.
func checkToken(v string) error {
	if len(v) < 16 {
		return errors.New("it is shorter than 16 characters, and could be guessed; make one with: openssl rand -hex 32")
	}
	for _, r := range v {
		if r <= ' ' || r > '~' {
			return errors.New("it may hold only visible ASCII characters, since it is sent in a header")
		}
	}
	return nil
}

func defaultReplica() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "replica"
	}
	var c config
	name := host + "-" + strconv.Itoa(os.Getpid())
	if setReplica(&c, name) != nil {
		return "replica-" + strconv.Itoa(os.Getpid())
	}
	return c.replica
}

// unknownSettings names variables that look like ours and are not, which is what a
// misspelt one looks like. They are no error: Kubernetes sets such ones for a service
// that is called millrace.
func unknownSettings(environ []string) []string {
	known := map[string]bool{}
	for _, s := range settings() {
		known[s.name] = true
	}
	var unknown []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "MILLRACE_") && !known[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

const usage = `Usage: server [-help | -health | -version]

Serves the API of Millrace, and works and schedules runs. Any number of servers (replicas) can
share one database. Everything is set by environment variables:

`

// writeHelp lists the settings.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, usage)
	for _, s := range settings() {
		fallback := s.fallback
		if s.shown != "" {
			fallback = s.shown
		}
		fmt.Fprintf(w, "  %s\n      %s\n      default: %s\n", s.name, s.help, fallback)
	}
	fmt.Fprint(w, `
Flags:
  -help     print this
  -health   ask the server of the same environment for /healthz; exit status 0 if it answers
  -version  print the version
`)
}
