//go:build !unix || solaris || aix

package files

import "os"

// lockFile does nothing where an open file cannot be removed anyway, as on Windows.
func lockFile(*os.File) (bool, error) { return true, nil }

// removeOpen fails where another process has the file open.
func removeOpen(f *os.File, path string) error {
	f.Close()
	return os.Remove(path)
}

// closesBeforeRename: Windows renames and removes no open file.
const closesBeforeRename = true

func keepOwner(*os.File, os.FileInfo) {}

// syncFolder does nothing: a folder cannot be opened as a file here.
func syncFolder(string) error { return nil }
