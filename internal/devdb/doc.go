// Package devdb finds or starts a Postgres for tests, for the examples and for
// the server's demo mode, so that nobody has to set one up.
//
//	  your process                 its keeper                    one of
//	┌──────────────┐  socket  ┌────────────────────┐   ┌─ the server of DATABASE_URL
//	│ Test(t)      │─────────▶│ the same program,  │───┤─ a container (ory/dockertest)
//	│ Start(ctx,…) │          │ started again in a │   ├─ a cluster of installed binaries
//	└──────────────┘          │ session of its own │   └─ a cluster of downloaded binaries
//	  another process ───────▶└────────────────────┘
//
// The ways are tried in this order: DATABASE_URL, which is taken or is an
// error; for tests Docker and then installed server binaries, for examples
// installed binaries and then Docker; last, binaries that
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
// A keeper that is itself killed with kill -9 takes its server with it: the
// container holds a guard that reads from the keeper, and on Linux the cluster's
// postmaster is told when its parent is gone.
//
// The servers that [Test] uses are shared: all test processes of one user that
// run at the same time, such as those of one "go test ./...", join the same
// keeper through a socket in the temporary folder. Each test has a database of
// its own on it. A server from [Start] belongs to its caller alone.
//
// # Environment
//
//   - DATABASE_URL: the server to use instead of starting one. Tests create
//     databases of their own there, named millrace_test_..., and drop them.
//   - MILLRACE_POSTGRES_IMAGE: the Docker image. Defaults to postgres:13.
//   - DOCKER_HOST: where the Docker daemon listens.
package devdb
