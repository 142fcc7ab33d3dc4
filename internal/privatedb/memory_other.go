//go:build !linux

package privatedb

// MemoryFolder: only Linux has a folder in memory that everybody may use.
func MemoryFolder() (string, bool) { return "", false }
