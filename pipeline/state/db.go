package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format is the version of the layout. A state of another is rebuilt.
const format = "2"

// Options say where a state lives and how much memory it may take.
type Options struct {
	Dir string
	// Flow is whose state it is: that of another flow is thrown away.
	Flow string
	// Window is the replay window of the topics: state that was last saved
	// longer ago is thrown away. 0 means 14 days.
	Window   time.Duration
	Cache    int64 // bytes of decoded blocks; 0 means 64 MiB
	MemTable int   // bytes written before they go to disk; 0 means 32 MiB
	Log      *slog.Logger
	FS       vfs.FS // nil: the machine's own
}

// DB is a flow's local state. Reading is safe for concurrent use; of batches
// there is one at a time.
type DB struct {
	o     Options
	db    *pebble.DB
	cache *pebble.Cache
	meta  Meta
	fresh string
}

// Open opens the state in a folder, or begins an empty one there when what it
// finds is unusable: [DB.Fresh] then says why.
func Open(o Options) (*DB, error) {
	if o.Dir == "" {
		return nil, errors.New("opening the local state: no folder")
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Window == 0 {
		o.Window = 14 * 24 * time.Hour
	}
	if o.Cache == 0 {
		o.Cache = 64 << 20
	}
	if o.MemTable == 0 {
		o.MemTable = 32 << 20
	}
	d := &DB{o: o}
	err := d.open()
	if err == nil {
		if d.fresh = d.unusable(); d.fresh == "" {
			return d, nil
		}
		if err = d.Close(); err != nil {
			return nil, err
		}
	} else if pebble.IsCorruptionError(err) {
		d.fresh = "it cannot be read: " + err.Error()
	} else {
		// A folder that another process holds, or may not be read, is not
		// ours to throw away.
		return nil, fmt.Errorf("opening the local state in %s: %w", o.Dir, err)
	}
	if err := d.Reset(); err != nil {
		return nil, err
	}
	return d, nil
}

// Fresh says why the state was begun anew, "" if it was not.
func (d *DB) Fresh() string { return d.fresh }

// Reset throws everything away and begins an empty state.
func (d *DB) Reset() error {
	if d.db != nil {
		if err := d.Close(); err != nil {
			return err
		}
	}
	if err := d.o.FS.RemoveAll(d.o.Dir); err != nil {
		return fmt.Errorf("emptying the local state: %w", err)
	}
	if err := d.open(); err != nil {
		return fmt.Errorf("opening the local state in %s: %w", d.o.Dir, err)
	}
	d.meta = Meta{Flow: d.o.Flow}
	if err := d.db.Set([]byte{areaMeta, 'f'}, []byte(format), pebble.NoSync); err != nil {
		return fmt.Errorf("beginning the local state: %w", err)
	}
	return nil
}

func (d *DB) open() error {
	if err := d.o.FS.MkdirAll(d.o.Dir, 0o700); err != nil {
		return err
	}
	cache := pebble.NewCache(d.o.Cache)
	opts := &pebble.Options{
		FS:                          d.o.FS,
		Cache:                       cache,
		MemTableSize:                uint64(d.o.MemTable),
		MemTableStopWritesThreshold: 3,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      logger{d.o.Log},
	}
	// Rows that are not there are asked for at every first change of a key.
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(d.o.Dir, opts)
	if err != nil {
		cache.Unref()
		return err
	}
	d.db, d.cache = db, cache
	return nil
}

// unusable reads the meta and says why the state is of no use, or "".
func (d *DB) unusable() string {
	f, err := d.get([]byte{areaMeta, 'f'})
	if err != nil {
		return "its format cannot be read: " + err.Error()
	}
	if f == nil {
		return "it was empty"
	}
	if string(f) != format {
		return fmt.Sprintf("its format is %q and this program's is %q", f, format)
	}
	b, err := d.get([]byte{areaMeta, 'm'})
	if err != nil {
		return "its meta cannot be read: " + err.Error()
	}
	if b == nil {
		return "it was never saved"
	}
	d.meta = Meta{}
	if err := json.Unmarshal(b, &d.meta); err != nil {
		return "its meta cannot be read: " + err.Error()
	}
	if d.meta.Flow != d.o.Flow {
		return "it belongs to another flow"
	}
	if age := time.Since(d.meta.Time); age > d.o.Window {
		return fmt.Sprintf("it is %s old and the topics keep %s", age.Round(time.Minute), d.o.Window)
	}
	return ""
}

// Close puts what is in memory on disk and closes.
func (d *DB) Close() error {
	err := d.db.Flush()
	err = errors.Join(err, d.db.Close())
	d.cache.Unref()
	d.db = nil
	if err != nil {
		return fmt.Errorf("closing the local state: %w", err)
	}
	return nil
}

// Flush starts putting what is in memory on disk, without waiting for it. It
// bounds what a crash makes read again.
func (d *DB) Flush() error {
	if _, err := d.db.AsyncFlush(); err != nil {
		return fmt.Errorf("flushing the local state: %w", err)
	}
	return nil
}

// Meta is the meta as the last batch saved it. The caller must not change it.
func (d *DB) Meta() *Meta { return &d.meta }

// Bytes is the size on disk and in memory tables.
func (d *DB) Bytes() int64 {
	m := d.db.Metrics()
	return int64(m.DiskSpaceUsage()) + int64(m.MemTable.Size)
}

// get returns a copy of the value, nil if there is none.
func (d *DB) get(key []byte) ([]byte, error) { return copied(d.db.Get(key)) }

func copied(v []byte, closer io.Closer, err error) ([]byte, error) {
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the local state: %w", err)
	}
	out := append([]byte{}, v...)
	return out, closer.Close()
}

// logger passes on Pebble's errors. Its news of flushes and compactions is kept
// for debugging.
type logger struct{ log *slog.Logger }

func (l logger) Infof(format string, args ...any) {}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("local state", "err", fmt.Sprintf(format, args...))
}

// Fatalf must not return.
func (l logger) Fatalf(format string, args ...any) {
	panic("local state: " + fmt.Sprintf(format, args...))
}
