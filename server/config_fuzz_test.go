package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// FuzzConfig gives one setting any value, beside a right environment. Whatever is taken is within its bounds; whatever
// is refused names the setting, and repeats no secret.
func FuzzConfig(f *testing.F) {
	for i, s := range settings() {
		f.Add(uint8(i), s.fallback)
		f.Add(uint8(i), "x")
		f.Add(uint8(i), "-1")
		f.Add(uint8(i), " 1 ")
	}
	f.Add(uint8(0), "postgres://u:hush@h:5432/d")
	f.Add(uint8(0), "postgres://u:hu/sh@h/d")
	f.Add(uint8(2), "[::1]:0")
	f.Add(uint8(4), "a.example, [::1]")
	f.Add(uint8(4), "[")
	f.Add(uint8(4), "a:80")
	f.Add(uint8(5), "0123456789abcdef\r\nX-Evil: 1")
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		s := settings()[int(which)%len(settings())]
		env := map[string]string{"MILLRACE_API_TOKEN": token, s.name: value}
		c, err := parseConfig(func(name string) string { return env[name] })
		if err != nil {
			text := err.Error()
			if !strings.HasPrefix(text, s.name+": ") && !strings.Contains(text, "MILLRACE_API_TOKEN") {
				t.Errorf("the error does not name %s: %s", s.name, text)
			}
			secret := s.name == "DATABASE_URL" || s.name == "MILLRACE_METADATA_URL" || strings.HasSuffix(s.name, "_TOKEN")
			if secret && len(value) >= 8 && strings.Contains(text, value) {
				t.Errorf("the error repeats a secret: %s", text)
			}
			return
		}
		for what, ok := range map[string]bool{
			"workers":      c.workers >= 1 && c.workers <= 256,
			"trigger rate": c.triggerRate >= 0.1 && c.triggerRate <= 100_000,
			"streams":      c.maxStreams >= 1 && c.maxStreams <= 100_000,
			"keep":         c.keepRuns >= 0 && c.keepDays >= 0,
			"shutdown":     c.shutdownTimeout >= time.Second && c.shutdownTimeout <= 5*time.Minute,
			"token":        (value == "" || len(c.apiToken) >= 16) && printable(c.apiToken+c.readToken) && (c.readToken == "" || c.readToken != c.apiToken),
			"replica":      c.replica != "" && len(c.replica) <= 100 && printable(c.replica),
			"metadata":     c.metadataURL == "" || c.databaseURL != "",
		} {
			if !ok {
				t.Errorf("%s=%q is taken, and %s is wrong: %+v", s.name, value, what, c)
			}
		}
		if _, _, err := net.SplitHostPort(c.listen); err != nil {
			t.Errorf("%s=%q is taken, and cannot be listened on: %v", s.name, value, err)
		}
		for _, host := range c.allowedHosts {
			if net.ParseIP(host) == nil && (host == "" || strings.ContainsFunc(host, notInHostName)) {
				t.Errorf("%s=%q is taken, and allows host %q", s.name, value, host)
			}
		}
	})
}

// FuzzDatabaseURL holds that a URL that cannot be read is not repeated, in whole or in part, and that one that can leads
// to a pool's configuration.
func FuzzDatabaseURL(f *testing.F) {
	for _, url := range []string{
		"postgres://user:secret-word@host:5432/database", "host=h password=secret-word", "postgres://u:secret-word@h:port/d",
		"postgres://u:secret-word@/x@h/d", "postgres://u:%zz@h/d", "postgres://u:secret-word@h/d?sslmode=secret-word",
		"postgres://u:secret-word@h/d?pool_max_conns=-1", "user='", "\x00",
	} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		p, err := parseURL(url)
		if err == nil {
			if p == nil || p.ConnConfig == nil || strings.Contains(p.ConnConfig.Database, "@") {
				t.Errorf("%q leads to no configuration", url)
			}
			return
		}
		const told = "it cannot be understood: it should look like postgres://user:password@host:5432/database, " +
			"with special characters in the password written as %XX"
		if err.Error() != told {
			t.Errorf("the error is not the one sentence that holds nothing of the URL: %s", err)
		}
	})
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
