// Package tables is the schema in which runs are kept: how it is made and brought up to date, how statements name it,
// how transactions on it begin, and how it tells of changes. What the rows mean is for the packages after it.
//
//	Migrate ──▶ schema "millrace": runs, run_attempts, ..., river_job, commits      Ready: is it that of this program?
//	                 ▲                    │
//	  Of("{runs}")   │ InTx               │ notify, for each new state
//	 ────────────────┘                    ▼
//	 statements of all replicas         Listen, one connection a replica
package tables
