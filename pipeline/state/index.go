package state

import (
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// indexPrefix is where the entries of a text are, or with no text those of the
// index. An id holds no NUL.
func indexPrefix(dst []byte, index string) []byte {
	return append(append(append(dst, areaIndex), index...), 0)
}

func indexKey(dst []byte, index string, text []byte, key string) []byte {
	return append(appendEscaped(indexPrefix(dst, index), text), key...)
}

// PutIndex adds a row's key under its text.
func (b *Batch) PutIndex(index string, text []byte, key string) {
	b.buf = indexKey(b.buf[:0], index, text, key)
	b.set(b.buf, nil)
}

// DeleteIndex takes a row's key away from a text.
func (b *Batch) DeleteIndex(index string, text []byte, key string) {
	b.buf = indexKey(b.buf[:0], index, text, key)
	b.delete(b.buf)
}

// DropIndex forgets an index.
func (b *Batch) DropIndex(index string) {
	prefix := indexPrefix(nil, index)
	if b.err == nil {
		b.err = b.b.DeleteRange(prefix, after(prefix), nil)
	}
}

// Found yields the keys of the rows under a text, in order, as they are when it
// begins. Those up to afterKey are left out, unless it is empty.
func (d *DB) Found(index string, text []byte, afterKey string) iter.Seq2[string, error] {
	prefix := indexKey(nil, index, text, "")
	lower := prefix
	if afterKey != "" {
		lower = append(indexKey(nil, index, text, afterKey), 0)
	}
	return func(yield func(string, error) bool) {
		for k := range d.scan(lower, after(prefix), yieldErr[string](yield)) {
			if !yield(string(k[len(prefix):]), nil) {
				return
			}
		}
	}
}

// Texts yields the texts of an index that hold a row, in the order of their
// escaped form, those after the given one (nil for all). A text is the caller's.
func (d *DB) Texts(index string, afterText []byte) iter.Seq2[[]byte, error] {
	prefix := indexPrefix(nil, index)
	lower := prefix
	if afterText != nil {
		lower = after(indexKey(nil, index, afterText, ""))
	}
	return func(yield func([]byte, error) bool) {
		fail := func(err error) { yield(nil, fmt.Errorf("reading the local state: %w", err)) }
		it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: after(prefix)})
		if err != nil {
			fail(err)
			return
		}
		defer it.Close()
		for ok := it.First(); ok; {
			text, err := indexText(it.Key()[len(prefix):])
			if err != nil {
				fail(err)
				return
			}
			if !yield(text, nil) {
				return
			}
			ok = it.SeekGE(after(indexKey(nil, index, text, "")))
		}
		if err := it.Error(); err != nil {
			fail(err)
		}
	}
}

// indexText reads an escaped text at the beginning of k.
func indexText(k []byte) ([]byte, error) {
	text := []byte{}
	for i := 0; i < len(k); i++ {
		switch {
		case k[i] != 0:
			text = append(text, k[i])
		case i+1 < len(k) && k[i+1] == 0xff:
			text = append(text, 0)
			i++
		case i+1 < len(k) && k[i+1] == 1:
			return text, nil
		default:
			return nil, errors.New("an index key's text has no end")
		}
	}
	return nil, errors.New("an index key's text has no end")
}
