package deploytest

import (
	"path/filepath"
	"regexp"
	"testing"
)

// TestEnvExampleHasTheDefaults holds .env.example to docker-compose.yml: every variable, with the value that it has
// anyway.
func TestEnvExampleHasTheDefaults(t *testing.T) {
	used := map[string]string{}
	for _, file := range []string{"docker-compose.yml", "docker/sales-csv.yml"} {
		text := regexp.MustCompile(`(?m)(^|\s)#.*$`).ReplaceAllString(string(readFile(t, filepath.Join(root, file))), "")
		for _, m := range regexp.MustCompile(`\$\{([A-Z_]+):?-([^}]*)\}`).FindAllStringSubmatch(text, -1) {
			if value, ok := used[m[1]]; ok && value != m[2] {
				t.Errorf("%s has the defaults %q and %q", m[1], value, m[2])
			}
			used[m[1]] = m[2]
		}
		if bare := regexp.MustCompile(`[^$]\$\{?[A-Z_]+\}?[^:A-Z_"-]`).FindString(text); bare != "" {
			t.Errorf("%s has a variable without a default: %s", file, bare)
		}
	}
	if len(used) < 20 {
		t.Fatalf("only %d variables were found", len(used))
	}
	told := told(t)
	for name, value := range used {
		if got, ok := told[name]; !ok || got != value {
			t.Errorf("%s is %q in docker-compose.yml; .env.example says %q (%v)", name, value, got, ok)
		}
	}
	for name := range told {
		if _, ok := used[name]; !ok && name != "COMPOSE_FILE" && name != "COMPOSE_PROJECT_NAME" {
			t.Errorf(".env.example tells of %s, which nothing uses", name)
		}
	}
}

// told are the variables of .env.example, those that are commented out too.
func told(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	text := string(readFile(t, filepath.Join(root, ".env.example")))
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(text, -1) {
		values[m[1]] = m[2]
	}
	return values
}
