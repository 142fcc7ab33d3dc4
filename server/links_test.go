package main

import (
	"os/exec"
	"strings"
	"testing"
)

// What people build for production holds no Docker client: a private Postgres comes from server binaries.
func TestTheServerLinksNoDockerClient(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.Contains(pkg, "docker") || strings.Contains(pkg, "moby") || strings.Contains(pkg, "internal/devdb") {
			t.Errorf("it links %s", strings.TrimSpace(pkg))
		}
	}
}
