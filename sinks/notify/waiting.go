package notify

import "time"

// remembered is how long an acknowledged page's id is kept, so that a copy
// sent again by a restart does not wake the second person.
const remembered = 48 * time.Hour

// waiting is the pages that somebody still has to acknowledge. Where there is
// a journal, it is what all processes that share it know: each writes what it
// does there and reads what the others did, and one of them, the leader, tells
// the second person.
type waiting struct {
	mu      gate
	journal *journal // nil: in memory only
	pages   map[string]*open
	done    map[string]time.Time
}

// gate is a mutex that tests in synthetic time can see through: under it the
// journal's lock may be waited for, asleep.
type gate chan struct{}

func (g gate) Lock()   { g <- struct{}{} }
func (g gate) Unlock() { <-g }

// open is one page and what is done when nobody acknowledges it.
type open struct {
	Page   Page      `json:"page"`
	Second string    `json:"second"`
	Sent   time.Time `json:"sent"`
	Due    time.Time `json:"due"`
	Poll   string    `json:"poll,omitempty"`

	polled time.Time
	tried  time.Time // last copy to the second person
	fails  int
	busy   bool
}

// line is one line of the journal: a page that waits, or one that no longer
// does.
type line struct {
	Wait *open     `json:"wait,omitempty"`
	Done string    `json:"done,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

func newWaiting() *waiting {
	return &waiting{mu: make(gate, 1), pages: map[string]*open{}, done: map[string]time.Time{}}
}

// open takes up what is in the journal.
func (w *waiting) open(path string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if path == "" || w.journal != nil {
		return nil
	}
	j, err := openJournal(path)
	if err != nil {
		return err
	}
	if err := j.read(w.take); err != nil {
		j.close()
		return err
	}
	w.journal = j
	return nil
}

func (w *waiting) take(l line) {
	if l.Wait != nil {
		id := l.Wait.Page.ID
		if _, over := w.done[id]; !over && w.pages[id] == nil {
			w.pages[id] = l.Wait
		}
	} else if l.Done != "" {
		delete(w.pages, l.Done)
		w.done[l.Done] = l.At
	}
}

// note makes a change, in the journal first. If that fails it counts here all
// the same: a page in memory is better than none.
func (w *waiting) note(l line) error {
	if w.journal == nil {
		w.take(l)
		return nil
	}
	err := w.journal.add(l)
	if err == nil {
		err = w.journal.read(w.take)
	}
	w.take(l)
	return err
}

// look takes up what other processes wrote.
func (w *waiting) look() error {
	if w.journal == nil {
		return nil
	}
	return w.journal.read(w.take)
}

// add keeps a page until it is acknowledged. One that was, or waits already,
// is left as it is.
func (w *waiting) add(o *open) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.look()
	if _, over := w.done[o.Page.ID]; over || w.pages[o.Page.ID] != nil {
		return err
	}
	return w.note(line{Wait: o})
}

// end says that nobody needs to be told any more. It reports false for a page
// that does not wait.
func (w *waiting) end(id string, now time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.look()
	if w.pages[id] == nil {
		return false, err
	}
	return true, w.note(line{Done: id, At: now})
}

func (w *waiting) count() (n int, oldest time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.pages {
		if oldest.IsZero() || o.Sent.Before(oldest) {
			oldest = o.Sent
		}
	}
	return len(w.pages), oldest
}

// ready lists, and marks as busy, the pages for which something is to be done
// now: asked about at their receiver, or told to the second person. Only the
// leader has any.
func (w *waiting) ready(now time.Time) (poll, escalate []*open, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.journal != nil {
		if !w.journal.lead() {
			return nil, nil, w.look()
		}
		// What cannot be read is not known; what is known is told all the same.
		err = w.look()
		w.tidy(now)
	}
	for _, o := range w.pages {
		switch {
		case o.busy:
		case !now.Before(o.Due) && !now.Before(o.tried.Add(backoff(o.fails))):
			o.busy, o.tried = true, now
			escalate = append(escalate, o)
		case o.Poll != "" && now.Sub(o.polled) >= pollEvery:
			o.busy, o.polled = true, now
			poll = append(poll, o)
		}
	}
	return poll, escalate, err
}

// tidy writes a journal that has grown anew, without what is over.
func (w *waiting) tidy(now time.Time) {
	for id, at := range w.done {
		if now.Sub(at) > remembered {
			delete(w.done, id)
		}
	}
	if w.journal.size < tidyAt {
		return
	}
	lines := make([]line, 0, len(w.done)+len(w.pages))
	for id, at := range w.done {
		lines = append(lines, line{Done: id, At: at})
	}
	for _, o := range w.pages {
		lines = append(lines, line{Wait: o})
	}
	// A journal that cannot be replaced goes on growing, and is tried again.
	w.journal.replace(lines, w.take)
}

// release ends the work on a page that goes on waiting.
func (w *waiting) release(o *open, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.busy = false; failed {
		o.fails++
	}
}

// backoff is how long after the n-th failure the second person is tried again.
func backoff(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return min(time.Second<<min(n, 6), time.Minute)
}
