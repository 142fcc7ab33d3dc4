// Command server serves the API of Millrace and its page, works runs, and schedules them. Any number of servers
// (replicas) share one database and need nothing else.
//
//	go run ./server
//
// Without DATABASE_URL it starts a private Postgres, fills the demo's tables, and leaves nothing behind. All settings
// are environment variables; -help lists them.
//
// The exit status is 0 after SIGTERM or Ctrl-C, 1 when it could not go on, and 2 when the settings are wrong.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the command, with all that it knows of the process handed in.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	c, err := parseConfig(lookup(environ))
	switch flag := firstFlag(args); {
	case flag == "-help" || flag == "-h":
		writeHelp(stdout)
		return exitOK
	case flag == "-version":
		fmt.Fprintln(stdout, version())
		return exitOK
	case flag != "" && flag != "-health" || len(args) > 1:
		fmt.Fprintf(stderr, "what is %q? -help tells the flags; all else is set by the environment\n", args[len(args)-1])
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "%v\n-help tells all settings\n", err)
		return exitUsage
	case flag == "-health":
		if err := askHealth(ctx, c.listen); err != nil {
			fmt.Fprintf(stderr, "not healthy: %s\n", oneLine(err))
			return exitFailed
		}
		return exitOK
	}
	log := newLogger(c, stderr)
	for _, name := range unknownSettings(environ) {
		log.Warn("this is no setting of the server, and has no effect", "variable", name)
	}
	if err := serve(ctx, c, log, stderr); err != nil {
		log.Error("the server ends", "error", oneLine(err))
		return exitFailed
	}
	return exitOK
}

// firstFlag returns the first argument, with one dash where it has two.
func firstFlag(args []string) string {
	if len(args) == 0 {
		return ""
	}
	if len(args[0]) > 2 && args[0][:2] == "--" {
		return args[0][1:]
	}
	return args[0]
}

// lookup makes the form of os.Getenv of the form of os.Environ; the last of equal names counts.
func lookup(environ []string) func(string) string {
	values := map[string]string{}
	for _, entry := range environ {
		for i := range len(entry) {
			if entry[i] == '=' {
				values[entry[:i]] = entry[i+1:]
				break
			}
		}
	}
	return func(name string) string { return values[name] }
}

// release is set by the linker: -ldflags "-X main.release=v1.2.3".
var release string

// version names the release, or the commit that was built.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
