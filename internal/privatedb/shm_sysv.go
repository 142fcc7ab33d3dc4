//go:build linux || (darwin && !ios)

package privatedb

import "golang.org/x/sys/unix"

// removeSharedMemory removes a segment by its ID. That it is gone already, or
// that the ID is somebody else's by now, is no matter.
func removeSharedMemory(id int) {
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
}
