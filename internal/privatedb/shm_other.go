//go:build !(linux || (darwin && !ios))

package privatedb

// removeSharedMemory does nothing where such a segment is unknown, or cannot be
// named: it is a few bytes, until the system's next start.
func removeSharedMemory(int) {}
