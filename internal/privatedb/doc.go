// Package privatedb finds or starts a Postgres for the examples, the tests and the
// server's demo mode, so that nobody has to set one up.
//
//	  your process                 its keeper                    one of
//	┌──────────────┐  socket  ┌────────────────────┐   ┌─ the server of DATABASE_URL
//	│ Start(ctx,…) │─────────▶│ the same program,  │───┤─ a cluster of installed binaries
//	└──────────────┘          │ started again in a │   ├─ what another package adds (devdb: a container)
//	  another process ───────▶│ session of its own │   └─ a cluster of downloaded binaries
//	                          └────────────────────┘
//
// The ways are tried in this order: DATABASE_URL, which is taken or is an
// error; installed server binaries and then what a [Door] adds, for tests the other way round; last, binaries that
// fergusstrange/embedded-postgres downloads once. If nothing serves, the error
// is a [*NoServerError] that says what was tried and what to install.
//
// # The keeper
//
// What is started belongs to a keeper: the running program, executed once more
// in a session of its own, which never gets as far as main. Users of the server
// hold a connection to the keeper and nothing else: no goroutine, no file. The
// kernel closes that connection however a user ends (a return from main, a
// failed test, os.Exit, a panic, Ctrl-C, a test's timeout, kill -9), and when
// the last one is closed the keeper stops the server, removes its folder or
// container, and ends. [Server.Close] does the same and waits for it.
//
// A keeper that is itself killed with kill -9 takes its server with it: a
// container holds a guard that reads from the keeper, and on Linux the cluster's
// postmaster is told when its parent is gone.
//
// A server may be shared ([Door.Share]): all processes of one user that run at the same time join the same keeper
// through a socket in the temporary folder.
package privatedb
