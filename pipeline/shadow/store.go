package shadow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Keys in Pebble: an entry under 'r' and the record's id, the indexes of links
// (index.go), and these.
var (
	keyTopic    = []byte("m topic")    // the identity of the topic
	keyNext     = []byte("m next")     // 8 bytes: the first offset not read
	keyProgress = []byte("m progress") // as it stands in the topic
)

// Store is the local copy of one shadow. It is for one goroutine.
type Store struct {
	db       *pebble.DB
	lock     *pebble.Lock
	next     int64
	progress Progress
	dirty    map[string]*Entry // put, not yet committed
	taken    map[string]*Entry // in the transaction that is being committed
	pending  int               // links that wait, in all that is committed
}

// slots is how many processes may keep their copies in one folder: the holder
// and its standbys on one machine, and one that hangs and holds its lock.
const slots = 16

// Open opens the copy of a topic in a folder: the first of its subfolders that
// no other process uses. topic is the topic's identity, not its name: the copy
// of another one is discarded, and so is a broken copy.
func Open(dir, topic string) (*Store, error) {
	var errs []error
	for i := range slots {
		slot := filepath.Join(dir, strconv.Itoa(i))
		if err := os.MkdirAll(slot, 0o700); err != nil {
			return nil, fmt.Errorf("making the shadow's folder: %w", err)
		}
		lock, err := pebble.LockDirectory(slot, vfs.Default)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s, err := open(filepath.Join(slot, "pebble"), topic)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the shadow in %s: %w", slot, err), lock.Close())
		}
		s.lock = lock
		return s, nil
	}
	return nil, fmt.Errorf("opening the shadow: all folders in %s are in use: %w", dir, errors.Join(errs...))
}

func open(dir, topic string) (*Store, error) {
	s := &Store{dirty: map[string]*Entry{}}
	if err := s.load(dir, topic); err == nil {
		return s, nil
	} else if s.db != nil {
		_ = s.db.Close() // it is thrown away
	}
	// The topic has it all.
	*s = Store{dirty: map[string]*Entry{}}
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := s.openDB(dir); err != nil {
		return nil, err
	}
	if err := s.db.Set(keyTopic, []byte(topic), pebble.NoSync); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

var errOther = errors.New("the copy of another topic")

func (s *Store) load(dir, topic string) error {
	if err := s.openDB(dir); err != nil {
		return err
	}
	if t, err := s.get(keyTopic); err != nil {
		return err
	} else if string(t) != topic {
		return errOther
	}
	next, err := s.get(keyNext)
	if err != nil {
		return err
	}
	if len(next) == 8 {
		s.next = int64(binary.BigEndian.Uint64(next))
	}
	p, err := s.get(keyProgress)
	if err == nil && p != nil {
		s.progress, err = DecodeProgress(p)
	}
	return errors.Join(err, s.count())
}

func (s *Store) openDB(dir string) error {
	db, err := pebble.Open(dir, options())
	if err != nil {
		return err
	}
	s.db = db
	return nil
}

func options() *pebble.Options {
	o := &pebble.Options{
		DisableWAL:   true, // what a crash takes, the topic gives back
		MemTableSize: 16 << 20,
		CacheSize:    64 << 20,
		Logger:       quiet{},
	}
	for i := range o.Levels {
		// A first load asks for a million records that are not there.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// quiet keeps Pebble's own messages out of ours: what matters comes as an error.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

// Close closes the copy. What was not committed is forgotten.
func (s *Store) Close() error {
	return errors.Join(s.db.Flush(), s.db.Close(), s.lock.Close())
}

// Next is the offset from which on the topic must be read.
func (s *Store) Next() int64 { return s.next }

// Progress is the newest committed one.
func (s *Store) Progress() Progress { return s.progress }

// get returns a copy of a value, nil if there is none.
func (s *Store) get(key []byte) ([]byte, error) {
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the shadow: %w", err)
	}
	out := append([]byte{}, v...)
	return out, closer.Close()
}

// Get returns what is known of a record, with what was put and is not yet
// committed; nil if nothing is.
func (s *Store) Get(id string) (*Entry, error) {
	if e := s.dirty[id]; e != nil {
		return e, nil
	}
	if e := s.taken[id]; e != nil {
		return e, nil
	}
	return s.read(id)
}

// Saved returns what is committed of a record, nil if nothing is, and whether
// nothing newer was put.
func (s *Store) Saved(id string) (e *Entry, last bool, err error) {
	e, err = s.read(id)
	return e, s.dirty[id] == nil && s.taken[id] == nil, err
}

func (s *Store) read(id string) (*Entry, error) {
	v, closer, err := s.db.Get(recordKey(id))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the shadow: %w", err)
	}
	e, err := Decode(v)
	return e, errors.Join(err, closer.Close())
}

func recordKey(id string) []byte { return append([]byte("r "), id...) }

// Count counts the records that the destination holds and whose ids begin with
// the prefix, up to so many. What is not committed does not count.
func (s *Store) Count(prefix string, most int) (n int, err error) {
	lower := recordKey(prefix)
	upper := append(recordKey(prefix), 0xff)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return 0, fmt.Errorf("counting in the shadow: %w", err)
	}
	for ok := it.First(); ok && n < most; ok = it.Next() {
		if there(it.Value()) {
			n++
		}
	}
	if err := it.Close(); err != nil {
		return 0, fmt.Errorf("counting in the shadow: %w", err)
	}
	return n, nil
}

// Put sets what is known of a record. The store has the entry from now on.
func (s *Store) Put(id string, e *Entry) { s.dirty[id] = e }

// Dirty is the number of records put since the last Take.
func (s *Store) Dirty() int { return len(s.dirty) }

// Take hands out what was put, for a transaction. It is still seen by Get, and
// becomes the committed state by Committed; until that is called Take must not
// be called again.
func (s *Store) Take() map[string]*Entry {
	s.taken, s.dirty = s.dirty, map[string]*Entry{}
	return s.taken
}

// Committed says that the transaction of what was taken is committed, with this
// progress, and that the topic is known up to next.
func (s *Store) Committed(p Progress, next int64) error {
	b := s.db.NewBatch()
	defer b.Close()
	var buf []byte
	for id, e := range s.taken {
		if len(e.Links) > 0 {
			old, err := s.read(id)
			if err == nil {
				err = s.index(b, id, old, e)
			}
			if err != nil {
				return err
			}
		}
		buf = e.Append(buf[:0])
		if err := b.Set(recordKey(id), buf, nil); err != nil {
			return fmt.Errorf("writing the shadow: %w", err)
		}
	}
	pb, err := p.Append(nil)
	if err != nil {
		return err
	}
	if err := s.finish(b, pb, next); err != nil {
		return err
	}
	s.taken, s.progress = nil, p
	return nil
}

// finish commits a batch that brings the copy up to next.
func (s *Store) finish(b *pebble.Batch, progress []byte, next int64) error {
	var errs []error
	if progress != nil {
		errs = append(errs, b.Set(keyProgress, progress, nil))
	}
	errs = append(errs, b.Set(keyNext, binary.BigEndian.AppendUint64(nil, uint64(next)), nil), b.Commit(pebble.NoSync))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("writing the shadow: %w", err)
	}
	s.next = next
	return nil
}
