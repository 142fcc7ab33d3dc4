package work

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/pipeline"
)

// Backoff returns the wait after the n-th failure, from 0, by the rule of
// [pipeline.Retry]: it grows by half each time and is spread by up to half either way. Not by the
// backoff of the pipeline itself: that counts in memory, and the next failure may be another
// replica's.
func Backoff(retry pipeline.Retry, n int) time.Duration {
	first, most := retry.Backoff, retry.MaxBackoff
	if first == 0 {
		first = 500 * time.Millisecond
	}
	if most == 0 {
		most = time.Minute
	}
	most = max(most, first)
	wait := math.Min(float64(first)*math.Pow(1.5, float64(n)), float64(most))
	return time.Duration(wait * (0.5 + rand.Float64()))
}
