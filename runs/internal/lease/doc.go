// Package lease says who is alive: a worker keeps a run for as long as it renews its lease, by the database's clock.
//
//	worker ── Renew, every heartbeat ──▶ lease_until ◀── Reap, every replica ── is it over?
//	   ▲            │                                            │
//	   │            ▼                                            ▼
//	   └── is it still mine, is it to be cancelled?     Lost, and a job for the next attempt;
//	                                                    or the run's end: cancelled, or failed after MaxLosses
//
// What is committed is neither cancelled nor failed here, and where another database would have to be asked, the next
// attempt asks.
package lease
