package privatedb

import (
	"os"
	"syscall"
)

// MemoryFolder is a place in memory for what tests throw away: creating a
// database there takes 15 ms, on a disk up to half a second. It is not used if
// the caller named a temporary folder, or if there is little room, as in most
// containers.
func MemoryFolder() (string, bool) {
	const (
		folder    = "/dev/shm"
		tmpfs     = 0x01021994
		plentiful = 2 << 30
	)
	if os.Getenv("TMPDIR") != "" {
		return "", false
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o777 || info.Mode()&os.ModeSticky == 0 {
		return "", false
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return "", false
	}
	blocks := plentiful / uint64(fs.Bsize)
	return folder, fs.Type == tmpfs && fs.Bavail >= blocks
}
