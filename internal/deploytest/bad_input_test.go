package deploytest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestWrongSettings sets a deployment that works up wrongly, in one way after the other. Each time a log says what is
// wrong, and the other services stay up.
func TestWrongSettings(t *testing.T) {
	d := newDeployment(t)
	d.compose(t, "up", "-d", "--build")
	d.healthy(t, "frontend")

	t.Run("another password than the volume has", func(t *testing.T) {
		d.set("POSTGRES_PASSWORD", "not-the-one-of-the-volume")
		d.compose(t, "up", "-d")
		line := d.says(t, "backend", "password authentication failed")
		if strings.Contains(line, "not-the-one-of-the-volume") {
			t.Errorf("the log has the password: %s", line)
		}
		t.Log(line)
		d.healthy(t, "database")
		d.mustGet(t, "FRONTEND_PORT", "/")
		if a, err := d.get(d.url("API_PORT", "/api/data")); err != nil || a.status != http.StatusServiceUnavailable {
			t.Errorf("/api/data: status %d, %v: %s", a.status, err, a.body)
		}
		delete(d.settings, "POSTGRES_PASSWORD")
		d.works(t)
	})

	t.Run("a port that is taken", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		port, free := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port), d.settings["CONSOLE_PORT"]
		d.set("CONSOLE_PORT", port)
		out, err := d.try("up", "-d")
		if err == nil || !strings.Contains(out, "127.0.0.1:"+port) || !strings.Contains(out, "address already in use") {
			t.Errorf("up: %v\n%s", err, out)
		}
		t.Log(tail(strings.TrimSpace(out), 400))
		d.healthy(t, "database")
		d.healthy(t, "backend")
		d.set("CONSOLE_PORT", free)
		d.works(t)
	})

	t.Run("a folder without the CSV file", func(t *testing.T) {
		missing := filepath.Join(absolute(t, t.TempDir()), "nothing")
		d.set("COMPOSE_FILE", "docker-compose.yml:docker/sales-csv.yml")
		d.set("SALES_DIR", missing)
		d.compose(t, "up", "-d")
		defer os.RemoveAll(missing) // which Docker has made
		d.healthy(t, "backend")
		d.mustTrigger(t)
		t.Log(d.says(t, "backend", "/sales/in_store_sales.csv: no such file or directory"))
		d.healthy(t, "database")
		d.mustGet(t, "FRONTEND_PORT", "/api/data")
		delete(d.settings, "COMPOSE_FILE")
		d.works(t)
	})

	t.Run("the volume of another major version", func(t *testing.T) {
		d.set("POSTGRES_VERSION", "17")
		if out, err := d.try("up", "-d"); err == nil {
			t.Logf("up did not notice:\n%s", out) // whether it does is a matter of moments
		}
		t.Log(d.says(t, "database", "was initialized by PostgreSQL version 13, which is not compatible with this version 17"))
		d.healthy(t, "backend")
		d.mustGet(t, "FRONTEND_PORT", "/")
		d.set("POSTGRES_VERSION", "13")
		d.works(t)
	})
}

// works brings the deployment up again, after which everything is as it was.
func (d *deployment) works(t *testing.T) {
	t.Helper()
	d.compose(t, "up", "-d")
	d.healthy(t, "database")
	eventually(t, 30*time.Second, "the API works", func() error {
		a, err := d.get(d.url("API_PORT", "/api/data"))
		return wants(http.StatusOK, a, err)
	})
	checkData(t, d)
}

func (d *deployment) mustTrigger(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "a run can be triggered", func() error {
		a, err := d.ask(http.MethodPost, d.url("API_PORT", "/api/pipelines/sde_gul_etl/runs"), "{}")
		return wants(http.StatusCreated, a, err)
	})
}

func wants(status int, a answer, err error) error {
	if err == nil && a.status != status {
		return fmt.Errorf("status %d: %s", a.status, a.body)
	}
	return err
}
