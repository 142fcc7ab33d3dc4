package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback has the system begin to write a part of a file to the disk
// (sync_file_range(2)), and does not wait. It is no sync: what went wrong is told by
// that.
func startWriteback(f *os.File, offset, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), offset, size, unix.SYNC_FILE_RANGE_WRITE) // a hint; the sync at the end counts
}
