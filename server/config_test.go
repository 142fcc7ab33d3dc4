package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

const (
	token     = "a-token-that-allows-all"
	readToken = "a-token-that-only-reads"
)

func parse(t *testing.T, environ ...string) (config, error) {
	t.Helper()
	return parseConfig(lookup(environ))
}

func TestAnEmptyEnvironmentIsTheDefaults(t *testing.T) {
	c, err := parse(t, "PATH=/bin", "MILLRACE_LISTEN=")
	if err != nil {
		t.Fatal(err)
	}
	if c.listen != "127.0.0.1:5001" || c.workers < 4 || c.logJSON || c.demo || c.databaseURL != "" ||
		c.shutdownTimeout != 8*time.Second || c.replica == "" || len(c.allowedHosts) != 3 {
		t.Errorf("%+v", c)
	}
}

func TestWrongSettingsAreRefusedWithTheirName(t *testing.T) {
	for _, c := range []struct {
		name    string
		environ []string
		says    string
	}{
		{"a URL that is none", []string{"DATABASE_URL=postgres://u:hush@h:x/d"}, "DATABASE_URL: it cannot be understood"},
		{"a slash in the password", []string{"DATABASE_URL=postgres://u:hu/sh@h:5432/d"}, "DATABASE_URL: it cannot be understood"},
		{"a metadata URL that is none", []string{"DATABASE_URL=postgres://h/d", "MILLRACE_METADATA_URL=mysql://hush"}, "MILLRACE_METADATA_URL: it cannot"},
		{"metadata without data", []string{"MILLRACE_METADATA_URL=postgres://h/d"}, "MILLRACE_METADATA_URL: it needs DATABASE_URL"},
		{"an address without a port", []string{"MILLRACE_LISTEN=127.0.0.1"}, "MILLRACE_LISTEN: \"127.0.0.1\" is not an address"},
		{"a port that is too large", []string{"MILLRACE_LISTEN=127.0.0.1:70000"}, "port must be a number"},
		{"a host's name", []string{"MILLRACE_LISTEN=example.com:80"}, "must be an IP address"},
		{"every interface without a token", []string{"MILLRACE_LISTEN=:5001"}, "MILLRACE_LISTEN: :5001 can be reached from other machines"},
		{"every IPv6 interface without a token", []string{"MILLRACE_LISTEN=[::]:5001"}, "can be reached from other machines"},
		{"a short token", []string{"MILLRACE_API_TOKEN=hush"}, "MILLRACE_API_TOKEN: it is shorter than 16"},
		{"a token with a blank", []string{"MILLRACE_API_TOKEN=hush hush hush hush"}, "MILLRACE_API_TOKEN: it may hold only"},
		{"a read token alone", []string{"MILLRACE_READ_TOKEN=" + readToken}, "MILLRACE_READ_TOKEN: it needs MILLRACE_API_TOKEN"},
		{"equal tokens", []string{"MILLRACE_API_TOKEN=" + token, "MILLRACE_READ_TOKEN=" + token}, "MILLRACE_READ_TOKEN: it is the same"},
		{"no workers", []string{"MILLRACE_WORKERS=0"}, "MILLRACE_WORKERS: \"0\" is not a whole number from 1 to 256"},
		{"half a worker", []string{"MILLRACE_WORKERS=1.5"}, "MILLRACE_WORKERS"},
		{"a demo of perhaps", []string{"MILLRACE_DEMO=perhaps"}, "MILLRACE_DEMO: \"perhaps\" is neither 0 nor 1"},
		{"a rate that is no number", []string{"MILLRACE_TRIGGER_RATE=NaN"}, "MILLRACE_TRIGGER_RATE"},
		{"an endless shutdown", []string{"MILLRACE_SHUTDOWN_TIMEOUT=1h"}, "MILLRACE_SHUTDOWN_TIMEOUT"},
		{"a level that is none", []string{"MILLRACE_LOG_LEVEL=loud"}, "MILLRACE_LOG_LEVEL: \"loud\""},
		{"a format that is none", []string{"MILLRACE_LOG_FORMAT=xml"}, "MILLRACE_LOG_FORMAT"},
		{"a line break in the replica's name", []string{"MILLRACE_REPLICA=a\r\nX: y"}, "MILLRACE_REPLICA"},
		{"a URL as a host", []string{"MILLRACE_ALLOWED_HOSTS=https://a"}, "MILLRACE_ALLOWED_HOSTS"},
		{"two mistakes", []string{"MILLRACE_WORKERS=x", "MILLRACE_DEMO=y"}, "MILLRACE_DEMO"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), nil, c.environ, &stdout, &stderr)
			if code != exitUsage || !strings.Contains(stderr.String(), c.says) {
				t.Errorf("status %d: %s; want %d with %q", code, stderr.String(), exitUsage, c.says)
			}
			if strings.Contains(stderr.String(), "hush") {
				t.Errorf("a secret is told: %s", stderr.String())
			}
		})
	}
}

func TestListeningBeyondLoopbackNeedsATokenOrPermission(t *testing.T) {
	for _, extra := range []string{"MILLRACE_API_TOKEN=" + token, "MILLRACE_INSECURE_LISTEN=1"} {
		c, err := parse(t, "MILLRACE_LISTEN=0.0.0.0:5001", extra)
		if err != nil || len(c.allowedHosts) != 0 {
			t.Errorf("%s: %v, hosts %q", extra, err, c.allowedHosts)
		}
	}
}

func TestHelpListsEverySettingAndNoValue(t *testing.T) {
	for _, flag := range []string{"-help", "--help", "-h"} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), []string{flag}, []string{"MILLRACE_API_TOKEN=" + token, "MILLRACE_WORKERS=wrong"}, &stdout, &stderr); code != exitOK {
			t.Errorf("%s: status %d: %s", flag, code, stderr.String())
		}
		for _, s := range settings() {
			if !strings.Contains(stdout.String(), "  "+s.name+"\n") {
				t.Errorf("%s does not list %s", flag, s.name)
			}
		}
		if strings.Contains(stdout.String(), token) {
			t.Errorf("%s tells the token", flag)
		}
	}
}

func TestFlagsThatAreNoneAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-port"}, {"serve"}, {"-health", "x"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, nil, &stdout, &stderr); code != exitUsage || !strings.Contains(stderr.String(), "-help") {
			t.Errorf("%q: status %d: %s", args, code, stderr.String())
		}
	}
}

func TestVersionIsOneWord(t *testing.T) {
	var stdout bytes.Buffer
	if code := run(context.Background(), []string{"-version"}, nil, &stdout, &stdout); code != exitOK || len(strings.Fields(stdout.String())) != 1 {
		t.Errorf("status %d: %q", code, stdout.String())
	}
}
