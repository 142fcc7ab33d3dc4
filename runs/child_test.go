package runs

// The environment of a child process: a replica that a test may kill.
const childURL = "MILLRACE_RUNS_CHILD_URL"

func child() int { return 0 }
