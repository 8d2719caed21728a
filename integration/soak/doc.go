// Package soak is the randomized test of capture: writers change tables while a
// snapshot runs, processes die, networks break and servers restart; afterwards
// what the topics say must equal the tables, by value.
//
// CHARTWIRE_SEED repeats a run, CHARTWIRE_RUNS says how many there are (0: until
// stopped), CHARTWIRE_WORKERS how many at a time. A seed fixes what is written
// and what breaks, not the moment at which the two meet: a failure may need its
// seed several times, which CHARTWIRE_REPEAT=1 does. One run in ten has a server
// of its own that is killed, restarted and replaced; CHARTWIRE_BREAK=1 gives all
// one.
package soak
