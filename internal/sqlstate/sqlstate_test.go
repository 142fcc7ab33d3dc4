package sqlstate

import "testing"

func TestWhatIsTransient(t *testing.T) {
	for _, c := range []struct {
		name, code string
		transient  bool
	}{
		{"a connection that could not be made", "08001", true},
		{"a lost connection", "08006", true},
		{"a code of the connection's class that is not known yet", "08ZZZ", true},
		{"a full disk", "53100", true},
		{"too many connections", "53300", true},
		{"a serialization failure", "40001", true},
		{"a deadlock", "40P01", true},
		{"an integrity constraint at the commit, of the same class", "40002", false},
		{"a lock that was not available", "55P03", true},
		{"an object in use, of the same class", "55006", false},
		{"a failover", "25006", true},
		{"a transaction that has failed, of the same class", "25P02", false},
		{"a server that shuts down", "57P01", true},
		{"a server that comes up", "57P03", true},
		{"a statement that was cancelled, of the same class", "57014", false},
		{"a database that was dropped", "57P04", false},
		{"a broken disk", "58030", true},
		{"a file that is not there, of the same class", "58P01", false},
		{"a unique violation", "23505", false},
		{"a value out of range", "22003", false},
		{"a wrong password", "28P01", false},
		{"a missing table", "42P01", false},
		{"no code", "", false},
		{"a class without a code", "08", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Transient(c.code); got != c.transient {
				t.Errorf("Transient(%q) is %v", c.code, got)
			}
		})
	}
}
