package notify

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// remembered is how long an acknowledged page's id is kept, so that a copy
// sent again by a restart does not wake the second person.
const remembered = 48 * time.Hour

// waiting is the pages that somebody still has to acknowledge. Every change is
// in the journal before it counts, where there is one.
type waiting struct {
	mu    sync.Mutex
	file  *os.File
	pages map[string]*open
	done  map[string]time.Time
}

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
	return &waiting{pages: map[string]*open{}, done: map[string]time.Time{}}
}

// open reads the journal and writes it anew without what is over. Without a
// path everything is in memory.
func (w *waiting) open(path string, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if path == "" || w.file != nil {
		return nil
	}
	// On a cluster nobody else makes the folder of local state.
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the folder of the journal of pages: %w", err)
	}
	if err := w.read(path); err != nil {
		return err
	}
	for id, at := range w.done {
		if now.Sub(at) > remembered {
			delete(w.done, id)
		}
	}
	f, err := w.rewrite(path)
	if err != nil {
		return fmt.Errorf("writing the journal of pages: %w", err)
	}
	w.file = f
	return nil
}

func (w *waiting) read(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the journal of pages: %w", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var l line
		if json.Unmarshal(sc.Bytes(), &l) != nil {
			continue // the last line of a process that died while writing it
		}
		w.take(l)
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("reading the journal of pages: %w", err)
	}
	return nil
}

func (w *waiting) take(l line) {
	if l.Wait != nil {
		if _, over := w.done[l.Wait.Page.ID]; !over {
			w.pages[l.Wait.Page.ID] = l.Wait
		}
	} else if l.Done != "" {
		delete(w.pages, l.Done)
		w.done[l.Done] = l.At
	}
}

// rewrite replaces the journal at once, so that a process that dies meanwhile
// leaves the old or the new one.
func (w *waiting) rewrite(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pages-*")
	if err != nil {
		return nil, err
	}
	for id, at := range w.done {
		err = errors.Join(err, put(f, line{Done: id, At: at}))
	}
	for _, o := range w.pages {
		err = errors.Join(err, put(f, line{Wait: o}))
	}
	if err = errors.Join(err, f.Sync()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

func put(f *os.File, l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	return err
}

func (w *waiting) note(l line) error {
	w.take(l)
	if w.file == nil {
		return nil
	}
	return errors.Join(put(w.file, l), w.file.Sync())
}

// add keeps a page until it is acknowledged. One that was, or waits already,
// is left as it is.
func (w *waiting) add(o *open) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, over := w.done[o.Page.ID]; over || w.pages[o.Page.ID] != nil {
		return nil
	}
	return w.note(line{Wait: o})
}

// end says that nobody needs to be told any more. It reports false for a page
// that does not wait.
func (w *waiting) end(id string, now time.Time) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pages[id] == nil {
		return false, nil
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
// now: asked about at their receiver, or told to the second person.
func (w *waiting) ready(now time.Time) (poll, escalate []*open) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
	return poll, escalate
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
