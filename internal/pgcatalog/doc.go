// Package pgcatalog knows what a Postgres has and says: how tables are named, what the
// catalog tells of a table that is to be read or loaded, and what the server's errors are
// about. It holds no transaction and keeps no connection; a run's transaction is
// package pgunit.
package pgcatalog
