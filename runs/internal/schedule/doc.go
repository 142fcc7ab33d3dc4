// Package schedule knows cron lines and the dates on which they are due. It knows no database and no clock: what
// time it is, is told.
//
//	"TZ=Europe/Berlin 30 2 * * *"
//	     │ Parse
//	     ▼
//	 fields ──── the next time on a wall that matches ────▶ 2026-03-29 02:30, in no zone
//	     │                                                      │
//	     │ the line fixes hour and minute                       ▼
//	     ├──────────────▶ the first instant at which clocks there show that, or more ──▶ 03:00 CEST
//	     │ it does not (*/15, @hourly)
//	     └──────────────▶ each instant at which clocks there show that
//
// # When a line is due where clocks are changed
//
// A line that fixes hour and minute (no * in either: "30 2 * * *", "0 9-17 * * 1-5", @daily) goes by the calendar:
// each date has each of its times once. A time that does not exist that day is due at the first instant after the
// gap, one that comes twice at its first; times that meet in one instant are due once.
//
// Any other line ("*/15 * * * *", "0 * * * *", "0 */2 * * *", @hourly) goes by elapsed time: it is due whenever
// clocks show a time that matches, so twice in an hour that comes twice, and not at all in one that is left out.
package schedule
