package privatedb

import "syscall"

// withParent asks the system to end the postmaster when its parent is gone: the
// net below the keeper, for when that is killed. The signal is sent when the
// *thread* that started the child ends, therefore see launch.
func withParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = signalImmediate }
