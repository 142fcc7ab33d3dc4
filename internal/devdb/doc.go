// Package devdb finds or starts a Postgres for tests and for the examples, so that nobody has to set one up: it is
// package privatedb and the way through Docker (ory/dockertest). What a user builds for production links
// privatedb at the most.
//
//	┌─ devdb ──────────────────┐      ┌─ privatedb ──────────────────────────────┐
//	│ Test(t) TestURL(t) ...   │      │  the server of DATABASE_URL              │
//	│ Start(ctx, ...)          │─────▶│  a cluster of installed binaries         │
//	│ the way through Docker   │      │  a cluster of downloaded binaries        │
//	└──────────────────────────┘      └──────────────────────────────────────────┘
//
// Tests try Docker first, because the version is then the same everywhere; examples try the installed binaries first,
// because they start faster.
//
// The servers that [Test] uses are shared: all test processes of one user that
// run at the same time, such as those of one "go test ./...", use the same one.
// Each test has a database of its own on it. A server from [Start] belongs to its caller alone.
//
// # Environment
//
//   - DATABASE_URL: the server to use instead of starting one. Tests create
//     databases of their own there, named millrace_test_..., and drop them.
//   - MILLRACE_POSTGRES_IMAGE: the Docker image. Defaults to postgres:13.
//   - DOCKER_HOST: where the Docker daemon listens.
package devdb
