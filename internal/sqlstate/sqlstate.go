// Package sqlstate says what the codes of SQL's errors mean for a run: whether another attempt may succeed without
// anybody changing the pipeline or the data
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
package sqlstate

// Transient tells whether the connection or the circumstances failed, and not the statement. An unknown code is not
// transient.
func Transient(code string) bool {
	return codes[code] || len(code) == 5 && classes[code[:2]]
}

// classes are those of which each code is transient.
var classes = map[string]bool{
	"08": true, // the connection
	"53": true, // resources: a full disk, memory, too many connections
}

// codes are told apart from the rest of their class.
var codes = map[string]bool{
	"25006": true, // a read-only transaction: a failover is under way
	"40001": true, // serialization failure
	"40003": true, // it is not known whether the statement was completed
	"40P01": true, // deadlock
	"55P03": true, // a lock was not available in time
	"57P01": true, // the server goes down,
	"57P02": true, // has crashed,
	"57P03": true, // comes up,
	"57P05": true, // or has closed a session that was idle
	"58000": true, // the system around the server
	"58030": true, // input or output
}
