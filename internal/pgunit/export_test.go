package pgunit

import (
	"testing"
	"time"
)

// Limits changes the limits for one test.
func Limits(t testing.TB, queue int, acquire, grace, commit, outcome, fence time.Duration) {
	before := limits
	t.Cleanup(func() { limits = before })
	limits.queue, limits.acquire, limits.grace = queue, acquire, grace
	limits.commit, limits.outcome, limits.fence = commit, outcome, fence
}
