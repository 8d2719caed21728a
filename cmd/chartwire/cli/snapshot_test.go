package cli

import (
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"
)

// An order that another one followed is not said to be carried out: why it was
// refused, if it was, is no longer known.
func TestBecame(t *testing.T) {
	f := func(asked int64, refused, said, failed string) {
		t.Helper()
		got, err := became(&cut.Cut{Asked: asked, Refused: refused}, 7)
		if !strings.Contains(got, said) || (err == nil) != (failed == "") || err != nil && !strings.Contains(err.Error(), failed) {
			t.Errorf("answered %q, %v", got, err)
		}
	}
	f(7, "", "carried out", "")
	f(7, "no such table", "", "no such table")
	f(8, "", "another order since", "")
	f(8, "no such table", "another order since", "")
}

func TestProgress(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	id := func(name string) cdc.TableID { return cdc.TableID{Database: "clinic", Name: name} }
	state := func(when time.Time, rows, again int64) *cut.Cut {
		return &cut.Cut{Time: when, Refused: "20 reads of the table wait already", Commit: when.Add(-time.Second), Loads: map[cdc.TableID]cdc.Load{
			id("people"): {Phase: cdc.LoadReading, Rows: rows, Total: 10_000, Started: at.Add(-time.Minute), Paused: again > 400},
			id("visits"): {Phase: cdc.LoadDone, Rows: 7, Started: at, Ended: at.Add(1500 * time.Millisecond), Again: []cdc.Reread{
				{Order: 1, Where: "id = 5", Phase: cdc.LoadDone, Rows: 1, Ended: at},
				{Order: 2, Where: "id = = 5", Phase: cdc.LoadDone, Ended: at, Problem: "the server does not take it"},
				{Order: 3, Phase: cdc.LoadReading, Rows: again, Total: 7000, Started: at},
			}},
			id("notes"): {Phase: cdc.LoadWaiting},
			id("teeth"): {Phase: cdc.LoadDone, Rows: 9, Again: []cdc.Reread{{Order: 4, Where: "id > 5", Phase: cdc.LoadReading, Rows: again, Total: 7000, Started: at}}},
			id("zips"):  {Phase: cdc.LoadDone, Rows: 3, Started: at, Ended: at.Add(20 * time.Microsecond)},
		}}
	}
	p := progress{source: "om", before: state(at, 1000, 400), now: state(at.Add(2*time.Second), 4000, 600)}
	var b strings.Builder
	if err := p.show(&b, at.Add(4*time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"om: the stream is 3s behind\n  the newest order was refused: 20 reads of the table wait already\n",
		"clinic.zips    done  3 rows\n",
		"4000 of about 10000 rows, 1500 rows/s, about 4s left; paused",
		"again: reading  600 of 7000 rows at most, 100 rows/s, about 1m4s left",
		"read again where id = 5: 1 rows, done",
		"read again where id = = 5: the server does not take it after 0 rows",
		"clinic.notes   waiting         \n",
		"again: reading  600 of 7000 rows at most where id > 5, 100 rows/s\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if r := openRead(&cdc.Load{Phase: cdc.LoadDone}); r != nil {
		t.Errorf("a table that is read is still to be read: %+v", r)
	}
}
