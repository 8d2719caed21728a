package hubspottest

import (
	"maps"
	"slices"
)

const keptCalls = 10_000

// callLog keeps the newest calls in a ring and counts all.
type callLog struct {
	ring   []Call
	next   int
	counts map[CallKind]int
}

func (l *callLog) add(c Call) {
	if l.counts == nil {
		l.counts = map[CallKind]int{}
	}
	l.counts[CallKind{c.Method, c.Route, c.Object, c.Status}]++
	if len(l.ring) < keptCalls {
		l.ring = append(l.ring, c)
		return
	}
	l.ring[l.next] = c
	l.next = (l.next + 1) % keptCalls
}

// newest lists at most n calls, oldest first.
func (l *callLog) newest(n int) []Call {
	all := slices.Concat(l.ring[l.next:], l.ring[:l.next])
	return all[max(len(all)-n, 0):]
}

// Calls lists the newest calls, oldest first, at most 10,000.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls.newest(keptCalls)
}

// CallCounts counts all calls since the start or the last reset.
func (s *Server) CallCounts() map[CallKind]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls.counts)
}
