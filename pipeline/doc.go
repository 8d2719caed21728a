// Package pipeline holds the three stages between a source and a destination:
// Capture, Map and Deliver. Each is made by its New, which checks, and lives in
// its Run, which blocks until its context ends or a person must decide.
package pipeline
