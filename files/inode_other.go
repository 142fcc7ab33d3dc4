//go:build !unix

package files

import "os"

// inodeOf: this system's FileInfo does not tell.
func inodeOf(os.FileInfo) string { return "" }
