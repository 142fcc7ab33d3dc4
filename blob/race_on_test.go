//go:build race

package blob

const raceDetector = true // what it holds is not ours
