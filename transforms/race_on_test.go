//go:build race

package transforms_test

const raceEnabled = true
