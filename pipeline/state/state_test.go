package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chartwire/cdc"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var people = Table{"om", cdc.TableID{Database: "shop", Name: "people"}}

func open(t *testing.T, o Options) *DB {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Flow == "" {
		o.Flow = "f"
	}
	d, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d.db != nil {
			d.Close()
		}
	})
	return d
}

func commit(t *testing.T, d *DB, fill func(b *Batch)) {
	t.Helper()
	b := d.Batch()
	fill(b)
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
}

func keysOf(t *testing.T, d *DB, table Table, after string) []string {
	t.Helper()
	var keys []string
	for r, err := range d.Rows(table, after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key)
	}
	return keys
}

func TestRowsOfOneTableOnlyInKeyOrder(t *testing.T) {
	d := open(t, Options{})
	other := Table{"om", cdc.TableID{Database: "shop", Name: "people2"}}
	row := Row{Schema: 7, Seq: 12, Op: cdc.Update, Commit: time.UnixMilli(1).UTC(), Read: time.UnixMilli(2).UTC(), Data: cdc.Row("abc")}
	commit(t, d, func(b *Batch) {
		for _, k := range []string{"b", "a\x00x", "a", "ab"} {
			b.PutRow(people, k, &row)
		}
		b.PutRow(other, "z", &row)
	})
	if got, want := keysOf(t, d, people, ""), []string{"a", "a\x00x", "ab", "b"}; !slices.Equal(got, want) {
		t.Errorf("got keys %q, want %q", got, want)
	}
	if got, want := keysOf(t, d, people, "a"), []string{"a\x00x", "ab", "b"}; !slices.Equal(got, want) {
		t.Errorf("after a: got keys %q, want %q", got, want)
	}
	got, ok, err := d.Row(people, "ab")
	if err != nil || !ok || got.Seq != 12 || got.Schema != 7 || got.Op != cdc.Update || !got.Commit.Equal(row.Commit) ||
		!got.Read.Equal(row.Read) || !bytes.Equal(got.Data, row.Data) {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	commit(t, d, func(b *Batch) { b.DeleteRow(people, "ab") })
	if _, ok, err := d.Row(people, "ab"); ok || err != nil {
		t.Errorf("deleted row: got %v, %v", ok, err)
	}
}

func TestWaitingChangesAreOrderedByKeyThenSeq(t *testing.T) {
	d := open(t, Options{})
	commit(t, d, func(b *Batch) {
		for i, k := range []string{"ab", "a", "a\x00\x01", "a\x00", "", "b"} {
			for _, seq := range []int64{300, 2, 1 << 50} {
				b.Wait(&Waiting{Table: people, Key: k, Seq: seq + int64(i), Op: cdc.Update, Value: []byte(k)})
			}
		}
		b.Wait(&Waiting{Table: Table{"om2", people.TableID}, Key: "a", Seq: 1})
	})
	var got []string
	for w, err := range d.Waiting("om") {
		if err != nil {
			t.Fatal(err)
		}
		if string(w.Value) != w.Key || w.Table != people {
			t.Errorf("got key %q with value %q", w.Key, w.Value)
		}
		got = append(got, fmt.Sprintf("%q %d", w.Key, w.Seq))
	}
	seen := map[string]bool{}
	last := ""
	for _, s := range got {
		var k string
		var seq int64
		fmt.Sscanf(s, "%q %d", &k, &seq)
		if k != last && seen[k] {
			t.Errorf("key %q is in two places: %q", k, got)
		}
		seen[k], last = true, k
	}
	if len(got) != 18 {
		t.Errorf("got %d changes, want 18", len(got))
	}
}

func FuzzWaitingKey(f *testing.F) {
	f.Add("s", "d", "t", "k\x00", int64(1))
	f.Fuzz(func(t *testing.T, source, db, table, key string, seq int64) {
		for _, s := range []string{source, db, table} {
			if bytes.ContainsRune([]byte(s), 0) {
				t.Skip()
			}
		}
		in := Table{source, cdc.TableID{Database: db, Name: table}}
		out, k, n, err := parseWaitingKey(waitingKey(nil, in, key, seq))
		if err != nil || out != in || k != key || n != seq {
			t.Errorf("got %v %q %d %v", out, k, n, err)
		}
	})
}

func FuzzParseWaitingKey(f *testing.F) {
	f.Add([]byte("wom\x00d\x00t\x00k\x00\x0112345678"))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, key, seq, err := parseWaitingKey(b)
		if err != nil {
			return
		}
		if again := waitingKey(nil, table, key, seq); bytes.Contains([]byte(key), []byte{0}) == false && !bytes.Equal(again, b) {
			t.Errorf("got %q of %q", again, b)
		}
	})
}

func TestCloseKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Options{Dir: dir})
	commit(t, d, func(b *Batch) {
		b.PutRow(people, "k", &Row{Seq: 5})
		b.PutEntry("e", []byte("v"))
		b.Wait(&Waiting{Table: people, Key: "w", Seq: 6, Value: []byte("x")})
		b.Meta.SetOffset("topic", 3, Offset{Next: 9, Seq: 6})
		b.Meta.Entries = 4
		b.Meta.Gone[people.Text()] = 2
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, Options{Dir: dir})
	if d.Fresh() != "" {
		t.Errorf("begun anew: %s", d.Fresh())
	}
	o, ok := d.Meta().Offset("topic", 3)
	if !ok || o != (Offset{9, 6}) || d.Meta().Entries != 4 || d.Meta().Gone[people.Text()] != 2 {
		t.Errorf("got meta %+v", d.Meta())
	}
	if v, err := d.Entry("e"); string(v) != "v" || err != nil {
		t.Errorf("got entry %q, %v", v, err)
	}
	commit(t, d, func(b *Batch) { b.PutEntry("e", nil); b.Done(people, "w", 6) })
	if v, err := d.Entry("e"); v != nil || err != nil {
		t.Errorf("got entry %q, %v", v, err)
	}
}

func TestOpenThrowsAwayWhatItCannotUse(t *testing.T) {
	f := func(name string, spoil func(dir string), o Options, fresh bool) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "state")
		d := open(t, Options{Dir: dir})
		commit(t, d, func(b *Batch) { b.PutRow(people, "k", &Row{Seq: 5}) })
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if spoil != nil {
			spoil(dir)
		}
		o.Dir = dir
		d = open(t, o)
		if got := d.Fresh() != ""; got != fresh {
			t.Errorf("%s: begun anew %v (%s), want %v", name, got, d.Fresh(), fresh)
		}
		if _, ok, err := d.Row(people, "k"); ok == fresh || err != nil {
			t.Errorf("%s: the row is there: %v, %v", name, ok, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f("as it was", nil, Options{}, false)
	f("another flow", nil, Options{Flow: "g"}, true)
	f("too old", func(string) { time.Sleep(2 * time.Millisecond) }, Options{Window: time.Millisecond}, true)
	f("deleted", func(dir string) { os.RemoveAll(dir) }, Options{}, true)
	f("damaged", func(dir string) {
		m, _ := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
		for _, name := range m {
			if err := os.WriteFile(name, []byte("no manifest at all"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}, Options{}, true)
}

// A second process that opens the same folder must not take it for damaged.
func TestOpenLeavesAFolderInUseAlone(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Options{Dir: dir})
	commit(t, d, func(b *Batch) { b.PutRow(people, "k", &Row{Seq: 5}) })
	if _, err := Open(Options{Dir: dir, Flow: "f"}); err == nil {
		t.Fatal("opened a folder in use")
	}
	if _, ok, err := d.Row(people, "k"); !ok || err != nil {
		t.Errorf("the row is there: %v, %v", ok, err)
	}
}

// After a crash the rows and the offsets in the meta agree: the state is one
// that a batch left behind.
func TestCrashLeavesAWholeBatch(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewCrashableMem()
		d := open(t, Options{Dir: "state", FS: fs, MemTable: 256 << 10, Cache: 1 << 20})
		n := int64(0)
		for range 40 + rng.IntN(60) {
			n++
			commit(t, d, func(b *Batch) {
				for i := range 10 {
					b.PutRow(people, fmt.Sprint(i), &Row{Seq: n, Data: make(cdc.Row, rng.IntN(4000))})
				}
				b.Meta.SetOffset("t", 0, Offset{Next: n, Seq: n})
			})
			if rng.IntN(15) == 0 {
				if err := d.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(rng.IntN(101)), RNG: rng})
		d2 := open(t, Options{Dir: "state", FS: crashed})
		o, _ := d2.Meta().Offset("t", 0)
		for i := range 10 {
			r, ok, err := d2.Row(people, fmt.Sprint(i))
			if err != nil || r.Seq != o.Next || ok != (o.Next > 0) {
				t.Errorf("seed %d: offset %d, row %d has seq %d (%v, %v)", seed, o.Next, i, r.Seq, ok, err)
			}
		}
		d2.Close()
		d.Close()
	}
}
