//go:build race

package integration_test

// raceDetector makes the binary that the tests run have it too.
const raceDetector = true
