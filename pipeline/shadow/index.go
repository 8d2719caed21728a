package shadow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Two indexes of links stand beside the entries, of what is committed alone:
//
//	b <far end> NUL <record>    the records that have a link to a record
//	o <since> <record>          those for whose links something is to be done,
//	                            with the number of them that wait; the longest
//	                            waiting first, those with removals alone last
//
// Both follow from the entries: a copy that is made anew makes them too.

func backKey(to, id string) []byte { return append(backPrefix(to), id...) }

func backPrefix(to string) []byte { return append(append([]byte("b "), to...), 0) }

const openPrefix = "o "

// openKey is the record's key in the second index, nil if it is not in it.
func (e *Entry) openKey(id string) (key []byte, pending int) {
	if e == nil {
		return nil, 0
	}
	if _, open := e.Open(); !open {
		return nil, 0
	}
	n, oldest := e.Pending()
	since := uint64(math.MaxUint64)
	if n > 0 {
		since = uint64(oldest.UnixMicro())
	}
	return append(binary.BigEndian.AppendUint64([]byte(openPrefix), since), id...), n
}

// index brings the indexes from one state of a record to the next.
func (s *Store) index(b *pebble.Batch, id string, old, e *Entry) error {
	var errs []error
	gone := map[string]bool{}
	if old != nil {
		old.Each(func(_ *LinkSet, l *Link) { gone[l.To.ID()] = true })
	}
	e.Each(func(_ *LinkSet, l *Link) {
		to := l.To.ID()
		if _, there := gone[to]; !there {
			errs = append(errs, b.Set(backKey(to, id), nil, nil))
		}
		gone[to] = false
	})
	for to, is := range gone {
		if is {
			errs = append(errs, b.Delete(backKey(to, id), nil))
		}
	}
	before, was := old.openKey(id)
	after, is := e.openKey(id)
	if before != nil && !bytes.Equal(before, after) {
		errs = append(errs, b.Delete(before, nil))
	}
	if after != nil {
		errs = append(errs, b.Set(after, binary.AppendUvarint(nil, uint64(is)), nil))
	}
	s.pending += is - was
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("writing the shadow: %w", err)
	}
	return nil
}

// count counts the links that wait, when the copy is opened.
func (s *Store) count() error {
	s.pending = 0
	var err error
	for _, value := range s.scan([]byte(openPrefix), nil, &err) {
		n, _ := binary.Uvarint(value)
		s.pending += int(n)
	}
	return err
}

// Pending is the number of links that are wanted and not held, and since when
// the oldest of them waits, in what is committed.
func (s *Store) Pending() (n int, oldest time.Time, err error) {
	if s.pending == 0 {
		return 0, time.Time{}, nil
	}
	for key := range s.scan([]byte(openPrefix), nil, &err) {
		if since := binary.BigEndian.Uint64(key[len(openPrefix):]); since != math.MaxUint64 {
			oldest = time.UnixMicro(int64(since)).UTC()
		}
		break
	}
	return s.pending, oldest, err
}

// OpenLinks returns up to n of the records for whose links something is to be
// done, and where to go on; a nil place is the begin, and the end.
func (s *Store) OpenLinks(from []byte, n int) (ids []string, next []byte, err error) {
	for key := range s.scan([]byte(openPrefix), from, &err) {
		if len(ids) == n {
			return ids, bytes.Clone(key), nil
		}
		ids = append(ids, string(key[len(openPrefix)+8:]))
	}
	return ids, nil, err
}

// LinkedTo returns the records that have a link to a record.
func (s *Store) LinkedTo(to string) (ids []string, err error) {
	prefix := backPrefix(to)
	for key := range s.scan(prefix, nil, &err) {
		ids = append(ids, string(key[len(prefix):]))
	}
	return ids, err
}

// scan gives the keys of a prefix in their order, from one of them on. A key
// lasts until the next one. err is where it ends early.
func (s *Store) scan(prefix, from []byte, err *error) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		end := bytes.Clone(prefix)
		end[len(end)-1]++
		it, e := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
		if e != nil {
			*err = fmt.Errorf("reading the shadow: %w", e)
			return
		}
		if from == nil {
			from = prefix
		}
		for ok := it.SeekGE(from); ok && yield(it.Key(), it.Value()); ok = it.Next() {
		}
		if e := it.Close(); e != nil {
			*err = fmt.Errorf("reading the shadow: %w", e)
		}
	}
}
