package devdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAKilledServerLeavesNoSharedMemory(t *testing.T) {
	for _, w := range ways(t) {
		if w.name != "binaries" {
			continue // a container's goes with the container
		}
		w.use(t)
		s, err := Start(t.Context(), Options{Purpose: w.purpose, Durable: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := query[string](t, s.URL(), "SELECT current_setting('dynamic_shared_memory_type')"); got != "mmap" {
			t.Errorf("dynamic shared memory is %s, which a kill leaves behind", got)
		}
		data := query[string](t, s.URL(), "SELECT current_setting('data_directory')")
		text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		var key, id int
		if _, err := fmt.Sscan(strings.Split(string(text), "\n")[6], &key, &id); err != nil {
			t.Fatal(err)
		}
		if !segmentExists(t, key, id) {
			t.Fatalf("segment %d is not there while the server runs", id)
		}
		if err := s.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if segmentExists(t, key, id) {
			t.Errorf("segment %d is left", id)
		}
	}
}

func segmentExists(t *testing.T, key, id int) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var k, i int
		if _, err := fmt.Sscan(line, &k, &i); err == nil && k == key && i == id {
			return true
		}
	}
	return false
}
