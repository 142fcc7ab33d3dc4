// Package fulldisk is for tests of what writes files: it lets them meet a disk that is full.
//
//	the test ──▶ a process of its own under a limit on the size of files    on every Linux
//	         └─▶ a process of its own on a file system of 256 KiB           where we may mount one
//
// A limit is a setting of the whole process and a mount is seen by all that share its
// namespace, so that neither can be had within the test's own process.
package fulldisk
