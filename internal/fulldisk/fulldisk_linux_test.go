package fulldisk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/internal/fulldisk"
)

func TestADiskIsFullAndHasRoomAgain(t *testing.T) {
	fulldisk.Test(t, func(t *testing.T, folder string, full error) {
		path := filepath.Join(folder, "file")
		for range 2 {
			if err := os.WriteFile(path, make([]byte, 300<<10), 0o600); !errors.Is(err, full) {
				t.Errorf("300 KiB: %v, want %v", err, full)
			}
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
		if err := os.WriteFile(path, make([]byte, 50<<10), 0o600); err != nil {
			t.Errorf("50 KiB: %v", err)
		}
	})
}
