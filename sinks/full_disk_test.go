//go:build linux

package sinks_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/fulldisk"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/sinks"
)

func TestFullDisk(t *testing.T) {
	fulldisk.Test(t, func(t *testing.T, folder string, full error) {
		all := make([]total, 50_000)
		state := uint64(1)
		for i := range all {
			state = state*6364136223846793005 + 1442695040888963407 // so that it does not pack well
			all[i] = total{"tea", int(state >> 33)}
		}
		for _, name := range []string{"out.csv", "out.csv.gz", "out.csv.zst"} {
			path := put(t, filepath.Join(folder, name), "old")
			_, err := write(t, pipeline.Options{}, records(all...), sinks.CSV[total]{Path: path})
			if message := "test: load: " + path + ": " + full.Error(); err == nil || !strings.HasPrefix(err.Error(), message) {
				t.Errorf("got %v, want %s", err, message)
			}
			if !errors.Is(err, full) {
				t.Errorf("the cause is lost: %v", err)
			}
			if got := content(t, path); got != "old" {
				t.Errorf("the target is %q", got)
			}
		}
		wantOnly(t, folder, "out.csv", "out.csv.gz", "out.csv.zst")
		// With the temporary files gone there is room again.
		_, err := write(t, pipeline.Options{}, tea(), sinks.CSV[total]{Path: filepath.Join(folder, "out.csv")})
		check(t, err)
	})
}
