// Package queue decides who may begin: a run waits for one of its pipeline's places, and then has a job of River's, by
// which any worker may claim it.
//
//	Enqueue ──▶ waits ── a free place ──▶ may begin ──▶ River ──▶ a worker claims it
//	             ▲           (Admit)        ▲  job
//	             │                          │
//	             │                          ├── RetryDue: a wait is over
//	             │                          └── Redispatch: the job is gone
//	          DueRuns: a date of a schedule has come
//
// A pipeline is a kind of job, so that a replica fetches only jobs of those it knows. Places are given under the lock
// of the pipeline's row, in transactions that hold nothing else: neither triggers nor the ends of runs queue up behind
// one another.
package queue
