package privatedb

import (
	"context"
	"os"
	"strings"
)

// A Door is how a package offers servers: it has a name, and the ways that it adds to the installed and the
// downloaded binaries.
type Door struct {
	name string
	more []Way
}

// plain is the door of this package itself.
var plain = Open("plain")

// Open returns the door of that name, which is unique in a program. It must be called while its package is
// initialised, to set a variable: in a process that is the keeper of this door it does not return, and that is the only
// place which comes before the main function of whatever program this is. A shell script as keeper would not
// need it, but could neither speak to a Docker daemon nor run on Windows.
func Open(name string, more ...Way) *Door {
	d := &Door{name: name, more: more}
	if socket, ok := strings.CutPrefix(os.Getenv(keeperEnv), name+":"); ok {
		_ = os.Unsetenv(keeperEnv) // the server must not inherit it
		os.Exit(d.keep(socket))
	}
	return d
}

// Start finds or starts a server and waits until it accepts connections. The
// context bounds that wait only. The caller owns the server and should call
// Close; if the process ends without it, the server goes all the same.
//
// If nothing serves, the error is a *NoServerError.
func (d *Door) Start(ctx context.Context, o Options) (*Server, error) {
	return start(ctx, o, d.connectPrivate)
}

// Share is Start of a server that the processes of this user share. One of DATABASE_URL is not: there is nothing to
// share, and its keeper drops what its user leaves.
func (d *Door) Share(ctx context.Context, o Options) (*Server, error) {
	if o.want().DatabaseURL != "" {
		return d.Start(ctx, o)
	}
	return start(ctx, o, d.connectShared)
}

func (d *Door) host() host {
	h := thisHost()
	h.more = d.more
	return h
}
