//go:build unix

package files

import (
	"fmt"
	"os"
	"syscall"
)

// inodeOf tells a file from another one that took its name.
func inodeOf(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d-", s.Ino)
	}
	return ""
}
