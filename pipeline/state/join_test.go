package state

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
)

func found(t *testing.T, d *DB, index, text, after string) []string {
	t.Helper()
	var keys []string
	for k, err := range d.Found(index, []byte(text), after) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	return keys
}

func TestAnIndexFindsTheRowsOfOneTextOnly(t *testing.T) {
	d := open(t, Options{})
	texts := []string{"", "a", "a\x00", "a\x00\x01", "a\x00\xff", "ab", "\x00", "b"}
	commit(t, d, func(b *Batch) {
		for i, text := range texts {
			for _, key := range []string{"2", "10", "", "\x00\x01x"} {
				b.PutIndex("ix", []byte(text), fmt.Sprint(i, key))
			}
			b.PutIndex("ix2", []byte(text), "other")
			b.PutIndex("i", []byte(text), "other")
		}
	})
	for i, text := range texts {
		want := []string{fmt.Sprint(i), fmt.Sprint(i, "\x00\x01x"), fmt.Sprint(i, "10"), fmt.Sprint(i, "2")}
		if got := found(t, d, "ix", text, ""); !slices.Equal(got, want) {
			t.Errorf("under %q: got %q, want %q", text, got, want)
		}
		if got := found(t, d, "ix", text, fmt.Sprint(i, "10")); !slices.Equal(got, want[3:]) {
			t.Errorf("under %q after the third: got %q", text, got)
		}
	}
	var all []string
	for text, err := range d.Texts("ix", nil) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	for i, text := range all { // from each on, the rest follows
		n := 0
		for next, err := range d.Texts("ix", []byte(text)) {
			if n++; err != nil || string(next) != all[i+n] {
				t.Errorf("after %q: got %q, %v", text, next, err)
			}
		}
		if n != len(all)-i-1 {
			t.Errorf("after %q: %d texts", text, n)
		}
	}
	slices.Sort(texts)
	if slices.Sort(all); !slices.Equal(all, texts) {
		t.Errorf("got texts %q, want %q", all, texts)
	}
	commit(t, d, func(b *Batch) { b.DeleteIndex("ix", []byte("a"), "12") })
	if got := found(t, d, "ix", "a", "110"); len(got) != 0 {
		t.Errorf("a deleted entry is found: %q", got)
	}
	commit(t, d, func(b *Batch) { b.DropIndex("ix") })
	if got := found(t, d, "ix", "b", ""); len(got) != 0 {
		t.Errorf("a dropped index finds %q", got)
	}
	if got := found(t, d, "ix2", "b", ""); len(got) != 1 {
		t.Errorf("the other index finds %q", got)
	}
}

func TestABatchReadsItsOwnRows(t *testing.T) {
	d := open(t, Options{})
	commit(t, d, func(b *Batch) { b.PutRow(people, "a", &Row{Seq: 1}); b.PutRow(people, "b", &Row{Seq: 1}) })
	b := d.IndexedBatch()
	b.PutRow(people, "a", &Row{Seq: 2, Position: "gtid:0-1-2", Data: cdc.Row("x")})
	b.DeleteRow(people, "b")
	r, ok, err := b.Row(people, "a")
	if err != nil || !ok || r.Seq != 2 || r.Position != "gtid:0-1-2" || string(r.Data) != "x" {
		t.Errorf("got %+v, %v, %v", r, ok, err)
	}
	if _, ok, err := b.Row(people, "b"); ok || err != nil {
		t.Errorf("deleted row: got %v, %v", ok, err)
	}
	b.Discard()
	if r, ok, err := d.Row(people, "b"); !ok || r.Seq != 1 || err != nil {
		t.Errorf("a dropped batch left %+v, %v, %v", r, ok, err)
	}
}

func somePending() Pending {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	return Pending{First: at, Last: at.Add(time.Second), Touched: 1<<63 | 5, Live: true,
		Seqs: []SeqRange{{"shop", 5, 1 << 60}, {"om", 7, 7}}, Origin: []sinks.Origin{{Source: "shop", Table: "d.t", Row: "1\x002", Seq: 9, Position: "gtid:1"}, {}}}
}

func TestPendingEntities(t *testing.T) {
	d := open(t, Options{})
	want := somePending()
	commit(t, d, func(b *Batch) {
		for _, m := range []string{"shop\x00orders", "shop\x00order", "om\x00x"} {
			for _, e := range []string{"1", "", "1\x00a"} {
				b.PutPending(m, e, &want)
			}
		}
	})
	all := func(afterMap, afterEntity string) (out []string) {
		for p, err := range d.AllPending(afterMap, afterEntity) {
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p.Pending, want) {
				t.Errorf("got %+v", p)
			}
			out = append(out, fmt.Sprintf("%q %q", p.Map, p.Entity))
		}
		return out
	}
	got := all("", "")
	if len(got) != 9 || got[0] != `"om\x00x" ""` || got[5] != `"shop\x00order" "1\x00a"` {
		t.Errorf("got %q", got)
	}
	if rest := all("shop\x00order", "1"); !slices.Equal(rest, got[5:]) {
		t.Errorf("got the rest %q of %q", rest, got)
	}
	commit(t, d, func(b *Batch) { b.DeletePending("om\x00x", "1"); b.DropPending("shop\x00order") })
	if got := all("", ""); len(got) != 5 {
		t.Errorf("got %q", got)
	}
	if p, ok, err := d.Pending("shop\x00orders", "1\x00a"); !ok || err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v, %v", p, ok, err)
	}
	if _, ok, err := d.Pending("om\x00x", "1"); ok || err != nil {
		t.Errorf("mapped entity: got %v, %v", ok, err)
	}
}

func TestTouchedRowsComeInOrder(t *testing.T) {
	d := open(t, Options{})
	want := Touched{Commit: time.UnixMilli(5).UTC(), Live: true, Origin: sinks.Origin{Source: "s", Table: "d.t", Row: "k", Seq: 4},
		Nodes: []TouchedNode{{"s\x00m", 3, []byte("a\x00")}, {"s\x00m", 3, []byte{}}}}
	commit(t, d, func(b *Batch) {
		for _, place := range []uint64{300, 2, 1, 70000} {
			b.PutTouched(place, &want)
		}
	})
	commit(t, d, func(b *Batch) { b.DeleteTouched(300) })
	var got []uint64
	for p, err := range d.TouchedFrom(2) {
		if err != nil || !reflect.DeepEqual(p.Touched, want) {
			t.Errorf("got %+v, %v", p, err)
		}
		got = append(got, p.Place)
	}
	if !slices.Equal(got, []uint64{2, 70000}) {
		t.Errorf("got places %v", got)
	}
}

func FuzzIndexText(f *testing.F) {
	f.Add([]byte("a\x00b"), "key")
	f.Fuzz(func(t *testing.T, text []byte, key string) {
		prefix := indexPrefix(nil, "ix")
		got, err := indexText(indexKey(nil, "ix", text, key)[len(prefix):])
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// What is read is what is written again.
func FuzzPending(f *testing.F) {
	p := somePending()
	f.Add(appendPending(nil, &p))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePending(b)
		if err != nil {
			return
		}
		again, err := parsePending(appendPending(nil, &p))
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("got %+v of %+v, %v", again, p, err)
		}
	})
}

func FuzzTouched(f *testing.F) {
	f.Add(appendTouched(nil, &Touched{Nodes: []TouchedNode{{"m", 1, []byte("x")}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseTouched(b)
		if err != nil {
			return
		}
		again, err := parseTouched(appendTouched(nil, &p))
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("got %+v of %+v, %v", again, p, err)
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add(appendRow(nil, &Row{Position: "gtid:1", Data: cdc.Row("abc")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRow(b)
		if err != nil {
			return
		}
		again, err := parseRow(appendRow(nil, &r))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("got %+v of %+v, %v", again, r, err)
		}
	})
}
