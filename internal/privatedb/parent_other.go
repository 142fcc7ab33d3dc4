//go:build !linux

package privatedb

import "syscall"

// withParent does nothing: only Linux tells a child of its parent's end.
func withParent(*syscall.SysProcAttr) {}
