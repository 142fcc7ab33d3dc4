//go:build linux

package transforms_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/fulldisk"
)

func TestFullDisk(t *testing.T) {
	fulldisk.Test(t, func(t *testing.T, folder string, full error) {
		for _, stage := range tightStages() {
			err := stage.run(t.Context(), folder, emit(1_000_000, func(n *int, i int) { *n = i }))
			place := ": stage: spill folder " + filepath.Join(folder, "millrace-spill-")
			if err == nil || !strings.Contains(err.Error(), place) || !strings.HasSuffix(err.Error(), ": "+full.Error()) {
				t.Errorf("%s: got %v, want %s…: %v", stage.name, err, place, full)
			}
			if !errors.Is(err, full) {
				t.Errorf("%s: the cause is lost: %v", stage.name, err)
			}
			checkNothingLeft(t, folder)
		}
	})
}
