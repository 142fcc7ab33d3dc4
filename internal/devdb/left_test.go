//go:build unix

package devdb

import (
	"os"
	"runtime"
	"syscall"
	"testing"
)

func TestNothingIsLeftHoweverTheProcessEnds(t *testing.T) {
	ends := []struct {
		name string
		end  string
		sig  syscall.Signal
	}{
		{name: "kill -9", sig: syscall.SIGKILL},
		{name: "Ctrl-C", sig: syscall.SIGINT},
		{name: "terminated", sig: syscall.SIGTERM},
		{name: "a test's timeout", sig: syscall.SIGQUIT},
		{name: "os.Exit without Close", end: "exit"},
		{name: "a panic", end: "panic"},
		{name: "Close and return", end: "return"},
	}
	for i, w := range ways(t) {
		for _, end := range ends {
			if i > 0 && end.sig != syscall.SIGKILL {
				continue // how a process ends does not depend on the way; that it is noticed might
			}
			t.Run(w.name+" "+end.name, func(t *testing.T) {
				t.Parallel()
				c := startChild(t, childOrder{Options: Options{Purpose: w.purpose}, End: end.end}, w.env...)
				if end.sig != 0 {
					c.signal(end.sig)
				} else {
					c.goOn()
				}
				c.nothingLeft()
			})
		}
	}
}

func TestAKilledKeeperTakesItsServerWithIt(t *testing.T) {
	for _, w := range ways(t) {
		if w.name == "binaries" && runtime.GOOS != "linux" {
			continue // only Linux tells a child of its parent's end
		}
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, childOrder{Options: Options{Purpose: w.purpose}, End: "exit"}, w.env...)
			if err := syscall.Kill(c.report.Keeper, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() error { return noServer(c.report.URL) })
			eventually(t, func() error { return noContainer(t, c.report.Keeper) })
			c.goOn()
		})
	}
}

func TestAKeeperThatIsToldToEndLetsItsUserFinish(t *testing.T) {
	w := ways(t)[0]
	c := startChild(t, childOrder{Options: Options{Purpose: w.purpose}, End: "return"}, w.env...)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM} {
		if err := syscall.Kill(c.report.Keeper, s); err != nil {
			t.Fatal(err)
		}
	}
	query[int](t, c.report.Database.URL, "SELECT 1")
	c.goOn()
	c.nothingLeft()
}

func TestProcessesShareAServer(t *testing.T) {
	dir := passableDir(t)
	order := childOrder{Shared: true, End: "return"}
	env := ways(t)[0].env
	first := startChildIn(t, dir, order, env...)
	second := startChildIn(t, dir, order, env...)
	if first.report.Keeper != second.report.Keeper || first.report.URL != second.report.URL {
		t.Fatalf("two servers: %s, %s", first.report.How, second.report.How)
	}
	first.signal(syscall.SIGKILL)

	// The first one's database goes, the second one's stays.
	eventually(t, func() error {
		if query[int](t, second.report.URL, "SELECT count(*) FROM pg_database WHERE datname = $1", first.report.Database.Name) > 0 {
			return os.ErrExist
		}
		return nil
	})
	query[int](t, second.report.Database.URL, "SELECT 1")

	third := startChildIn(t, dir, order, env...)
	if third.report.Keeper != second.report.Keeper {
		t.Errorf("the third has another server: %s", third.report.How)
	}
	second.goOn()
	query[int](t, third.report.Database.URL, "SELECT 1")
	third.goOn()
	third.nothingLeft()

	// What a killed keeper left does not keep the next one from starting.
	fourth := startChildIn(t, dir, order, env...)
	if err := syscall.Kill(fourth.report.Keeper, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	fifth := startChildIn(t, dir, order, env...)
	if fifth.report.Keeper == fourth.report.Keeper {
		t.Error("a dead keeper was joined")
	}
	query[int](t, fifth.report.Database.URL, "SELECT 1")
	fifth.goOn()
}
