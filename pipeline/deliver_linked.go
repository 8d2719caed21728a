package pipeline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// linked takes the answer to a call for links in, record by record.
func (t *term) linked(a answer, now time.Time) error {
	for i, w := range a.works {
		w.air = false
		if err := t.linkResult(w, &a.writes[i], a.results[i], a.call, now); err != nil {
			return err
		}
	}
	return nil
}

func (t *term) linkResult(w *linkWork, write *sinks.Write, r sinks.Result, c call, now time.Time) error {
	var (
		refused     *sinks.Rejected
		throttled   *sinks.Throttled
		unavailable *sinks.Unavailable
		halt        *cdc.Halt
	)
	switch {
	case r.Err == nil:
		t.links.success = now
		return t.noteLinks(w, write, r.Links, now)
	case errors.As(r.Err, &halt):
		delete(t.links.work, w.id)
		t.links.doubt = laterOf(t.links.doubt, w.doubt)
		e, err := t.store.Get(w.id)
		if err != nil {
			return err
		}
		e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
			if l.Open() {
				t.halt(s.Flow, halt, true)
			}
		})
	case errors.As(r.Err, &refused):
		t.links.success = now
		return t.noteLinks(w, write, allRefused(write, refused), now)
	case errors.As(r.Err, &throttled):
		wait := min(max(throttled.Wait, 100*time.Millisecond), longestPause)
		t.countRetry(c.lane, "throttled")
		t.blocked[c.lane] = now.Add(min(wait, longest))
		t.later(w, now.Add(wait), now)
	case errors.As(r.Err, &unavailable):
		return t.unlinked(w, write, unavailable, c, now)
	default:
		return t.unlinked(w, write, &sinks.Unavailable{Unknown: true, Err: r.Err}, c, now)
	}
	return nil
}

func allRefused(w *sinks.Write, r *sinks.Rejected) []*sinks.Rejected {
	all := make([]*sinks.Rejected, len(w.Links))
	for i := range all {
		all[i] = r
	}
	return all
}

// later queues a record again for a time to come.
func (t *term) later(w *linkWork, at, now time.Time) {
	w.notBefore = at
	t.links.enter(w, now)
}

// unlinked asks for the same links again later.
func (t *term) unlinked(w *linkWork, write *sinks.Write, u *sinks.Unavailable, c call, now time.Time) error {
	if w.attempts == 0 {
		w.failed = now
	}
	w.attempts++
	if u.Unknown {
		t.countRetry(c.lane, "unknown")
		w.doubt = t.carried(now)
	} else {
		t.countRetry(c.lane, "unavailable")
	}
	if len(c.works) == 1 && w.attempts > lonely && t.links.success.After(w.failed) {
		w.doubt = time.Time{} // asking once more after it would end as these did
		return t.noteLinks(w, write, allRefused(write, unanswered(w.attempts, u.Err)), now)
	}
	wait := backoff(u.Wait, w.attempts-1)
	t.counts.unanswered(t, c.lane, u, wait, now)
	t.later(w, now.Add(wait), now)
	return nil
}

// backoff is how long to wait after so many failures, unless the sink says.
func backoff(said time.Duration, failures int) time.Duration {
	if said > 0 {
		return said
	}
	wait := min(firstWait<<min(failures, 10), lastWait)
	return wait*3/4 + rand.N(wait/2)
}

// unanswered is the refusal of what spoils its calls while others succeed.
func unanswered(attempts int, last error) *sinks.Rejected {
	return &sinks.Rejected{Code: "UNANSWERED", Class: "unavailable",
		Message: fmt.Sprintf("%d calls for it alone ended without an answer while others succeeded; the last: %v", attempts, last)}
}

// noteLinks notes in the shadow what a call brought about. What the mutations
// said meanwhile stays: it is asked for once that is committed.
func (t *term) noteLinks(w *linkWork, write *sinks.Write, refused []*sinks.Rejected, now time.Time) error {
	w.attempts, w.failed = 0, time.Time{}
	if now.Before(w.doubt) { // a call without an answer may still arrive: the same once more after it
		w.again = true
		t.later(w, w.doubt, now)
		return nil
	}
	e, err := t.store.Get(w.id)
	if err != nil {
		return err
	}
	if e = e.Clone(); !e.There() || e.ID != write.ID {
		delete(t.links.work, w.id)
		return nil
	}
	missing := false
	for i, l := range write.Links {
		var r *sinks.Rejected
		if refused != nil {
			r = refused[i]
		}
		switch {
		case r == nil || r.Class == "missing" && l.State == sinks.Clear:
			t.noteLink(e, l)
		case r.Class == "missing" && w.missing < missingTries:
			missing = true
		case r.Class == "missing":
			t.log.Warn("the destination does not know an end of a link by the id it gave: the link waits until one is written again",
				"object", write.Record.Object, "link", l.Name)
			each(e, l, func(_ *shadow.LinkSet, o *shadow.Link) { o.Missing, o.ToID = true, l.ToID })
		default:
			t.refuseLink(e, write.Record, l, r, now)
		}
	}
	t.store.Put(w.id, e)
	if missing {
		w.missing++
		t.later(w, now.Add(backoff(0, w.missing)), now)
		return nil
	}
	delete(t.links.work, w.id)
	return nil
}

// each calls f with the links, of all names, that were asked for by one.
func each(e *shadow.Entry, asked sinks.Link, f func(*shadow.LinkSet, *shadow.Link)) {
	e.Each(func(s *shadow.LinkSet, l *shadow.Link) {
		if l.To == asked.To && l.Label == asked.Label && l.Wanted == (asked.State == sinks.Set) {
			f(s, l)
		}
	})
}

// noteLink notes a link as it was asked for.
func (t *term) noteLink(e *shadow.Entry, asked sinks.Link) {
	if asked.State == sinks.Clear {
		e.Drop(func(l *shadow.Link) bool { return l.To == asked.To && l.Label == asked.Label && !l.Wanted })
		t.metrics.linked.WithLabelValues("removed").Inc()
		return
	}
	each(e, asked, func(_ *shadow.LinkSet, l *shadow.Link) {
		l.Held, l.Missing, l.ToID, l.Since = true, false, asked.ToID, time.Time{}
	})
	t.metrics.linked.WithLabelValues("made").Inc()
}

// refuseLink notes that the destination refused a link, as a dead letter.
func (t *term) refuseLink(e *shadow.Entry, id sinks.Record, asked sinks.Link, r *sinks.Rejected, now time.Time) {
	each(e, asked, func(s *shadow.LinkSet, l *shadow.Link) {
		if !l.Open() {
			return
		}
		l.Refused, l.Since = true, time.Time{}
		t.bury(id, linkProperty(s.Name), linkHead(s), r, s.Lane, now)
	})
}
