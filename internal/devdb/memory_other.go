//go:build !linux

package devdb

// memoryFolder: only Linux has a folder in memory that everybody may use.
func memoryFolder() (string, bool) { return "", false }
