package mysql

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"

	"github.com/go-mysql-org/go-mysql/replication"
)

// rawEvent is an event as it comes, without a checksum.
func rawEvent(kind replication.EventType, flags uint16, end uint32, body []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(body))
	b[4] = byte(kind)
	binary.LittleEndian.PutUint32(b[9:], uint32(headerSize+len(body)))
	binary.LittleEndian.PutUint32(b[13:], end)
	binary.LittleEndian.PutUint16(b[17:], flags)
	return append(b, body...)
}

// quietFollower counts what its hooks are told.
func quietFollower(maria bool) (f *follower, ends *int) {
	f = &follower{maria: maria, tables: newTables(nil), at: place{"bin.000001", 1000}, most: maxEvent, payload: payload{most: maxEvent}}
	f.pos = position{byID: true, set: gtidSet{maria: maria}, at: f.at}
	nothing := func() error { return nil }
	f.begun, f.still, f.settled = nothing, nothing, nothing
	f.rows = func(*table, *rowsEvent) error { return nil }
	f.query = func(*query, string, string) error { return nil }
	f.ended = func(bool) error { *ends++; return nil }
	f.decided = func(*prepared, []event) error { return nil }
	f.repeated = func(string) error { return nil }
	return f, new(int)
}

func TestEventsThatNoServerSendsOften(t *testing.T) {
	faults.Shows(t, "incident", "halts with binlog-incident")
	faults.Shows(t, "event-unknown", "halts with event-unknown, unless the event says that it may be ignored")
	faults.Shows(t, "event-damaged", "halts with the place; the position does not move")
	f := func(want string, raw []byte) {
		t.Helper()
		fo, ends := quietFollower(false)
		fo.ended = func(bool) error { *ends++; return nil }
		if got := cdc.HaltCode(fo.follow(raw)); got != want {
			t.Errorf("halt %q, want %q", got, want)
		}
	}
	f(HaltIncident, rawEvent(replication.INCIDENT_EVENT, 0, 0, []byte{1, 0, 0}))
	f(HaltUnknownEvent, rawEvent(77, 0, 0, nil))
	f("", rawEvent(77, flagIgnorable, 0, nil))
	f("", rawEvent(replication.VIEW_CHANGE_EVENT, 0, 0, []byte("x")))
	f(HaltDamaged, rawEvent(replication.TABLE_MAP_EVENT, 0, 0, []byte{1, 2}))
	f(HaltForeign, rawEvent(replication.XID_EVENT, 0, 0, make([]byte, 8))) // an end without a start
	f(HaltDamaged, []byte{1, 2, 3})
	short := rawEvent(replication.XID_EVENT, 0, 0, make([]byte, 8))
	f(HaltDamaged, short[:len(short)-1])
}

// A log that a server wrote beyond 4 GiB in one transaction still has places.
func TestPlacesBeyondFourGiB(t *testing.T) {
	faults.Shows(t, "binlog-4gib", "counts the offset on beyond the 32 bits of the event header")
	f := func(old uint64, end uint32, want uint64) {
		t.Helper()
		if got := extend(old, end); got != want {
			t.Errorf("%d then %d is %d, want %d", old, end, got, want)
		}
	}
	f(1000, 2000, 2000)
	f(4294967000, 500, 4294967296+500)
	f(3*4294967296+4294967000, 100, 4*4294967296+100)
	f(2000, 1000, 1000) // the start of a dump may be named twice
}

// A crash while a transaction was written leaves it without an end: it never
// happened, unless a part of it has left.
func TestTransactionWithoutEnd(t *testing.T) {
	faults.Shows(t, "gtid-before-commit", "a transaction without an end never counts as read, and its GTID joins the set at the commit only")
	fo, _ := quietFollower(false)
	var committed []bool
	fo.ended = func(c bool) error { committed = append(committed, c); return nil }
	begin := append([]byte{0}, make([]byte, 16+8)...)
	begin[17] = 1
	must := func(raw []byte) {
		t.Helper()
		if err := fo.follow(raw); err != nil {
			t.Fatal(err)
		}
	}
	must(rawEvent(replication.GTID_EVENT, 0, 1100, begin))
	must(rawEvent(replication.FORMAT_DESCRIPTION_EVENT, 0, 126, make([]byte, 100)))
	begin[17] = 2
	must(rawEvent(replication.GTID_EVENT, 0, 1200, begin))
	must(rawEvent(replication.XID_EVENT, 0, 1227, make([]byte, 8)))
	if len(committed) != 2 || committed[0] || !committed[1] || fo.pos.set.String() != "00000000-0000-0000-0000-000000000000:2" {
		t.Errorf("ends %v, position %s", committed, fo.pos.text)
	}
	b := builder{pieces: true}
	if code := cdc.HaltCode(b.drop(fo.at)); code != HaltCut {
		t.Errorf("halt %q", code)
	}
}

// A transaction of one row costs no memory but what the texts of ids share.
func TestTransactionAllocatesNothing(t *testing.T) {
	fo, _ := quietFollower(false)
	fo.ended = func(bool) error { return nil }
	begin := append([]byte{0}, make([]byte, 16+8)...)
	query := append(append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0}, "shop\x00"...), "BEGIN"...)
	tableMap := []byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 2, 3, 15, 2, 20, 0, 0}
	events := [][]byte{
		rawEvent(replication.GTID_EVENT, 0, 1100, begin), rawEvent(replication.QUERY_EVENT, 0, 1200, query), rawEvent(replication.TABLE_MAP_EVENT, 0, 1300, tableMap),
		rawEvent(replication.WRITE_ROWS_EVENTv2, 0, 1400, []byte{1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 2, 3, 0, 5, 0, 0, 0, 1, 'x'}), rawEvent(replication.XID_EVENT, 0, 1500, make([]byte, 8)),
	}
	number := uint64(0)
	got := testing.AllocsPerRun(1000, func() {
		number++
		binary.LittleEndian.PutUint64(events[0][headerSize+17:], number)
		for _, e := range events {
			if err := fo.follow(e); err != nil {
				t.Fatal(err)
			}
		}
	})
	if got != 0 || fo.pos.set.String() != fmt.Sprintf("00000000-0000-0000-0000-000000000000:1-%d", number) {
		t.Errorf("%v allocations a transaction, at %s", got, fo.pos.text)
	}
}

// On MariaDB only its end says when a transaction was committed: one without an
// end is of no time in which nobody lived, or the log would seem to be purged.
func TestTimeOfTransactionWithoutEnd(t *testing.T) {
	s, err := New(Config{Name: "s", Addr: "127.0.0.1:1", User: "u", Selections: []cdc.Selection{{Table: cdc.TableID{Database: "clinic", Name: "people"}}}})
	if err != nil {
		t.Fatal(err)
	}
	st := &stream{s: s, log: s.cfg.Log, v: &server{maria: true}, selected: s.selected, loads: map[cdc.TableID]*load{}, readTime: time.Now(), keepsAt: time.Now()}
	fo, _ := quietFollower(true)
	st.f = *fo
	st.hook()
	var got []time.Time
	st.yield = func(txn *cdc.Txn, _ error) bool { got = append(got, txn.CommitTime); return true }
	begin := append([]byte{1}, make([]byte, 12)...)
	for _, raw := range [][]byte{rawEvent(replication.MARIADB_GTID_EVENT, 0, 1100, begin), rawEvent(replication.FORMAT_DESCRIPTION_EVENT, 0, 126, make([]byte, 100))} {
		if err := st.f.follow(raw); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 1 || !got[0].Equal(st.readTime) {
		t.Errorf("times %v, read at %v", got, st.readTime)
	}
}

// Whatever bytes come, they are refused or read; nothing panics, and a damaged
// event moves the position nowhere.
func FuzzFollow(f *testing.F) {
	f.Add(byte(replication.TABLE_MAP_EVENT), []byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 1, 3, 0, 0, 1, 1, 0, 4, 2, 1, 'a'}, false)
	f.Add(byte(replication.WRITE_ROWS_EVENTv2), []byte{1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1, 1, 0, 5, 0, 0, 0}, false)
	f.Add(byte(replication.QUERY_EVENT), append(make([]byte, 13), 0, 'B', 'E', 'G', 'I', 'N'), true)
	f.Add(byte(replication.TRANSACTION_PAYLOAD_EVENT), []byte{2, 1, 0, 0, 0x28, 0xb5}, false)
	f.Add(byte(replication.GTID_TAGGED_LOG_EVENT), []byte{2, 80, 0, 0}, false)
	f.Fuzz(func(t *testing.T, kind byte, body []byte, maria bool) {
		fo, _ := quietFollower(maria)
		fo.ended = func(bool) error { return nil }
		seen := 0
		fo.rows = func(tm *table, r *rowsEvent) error {
			for rest := r.images; len(rest) > 0 && seen < 1000; seen++ {
				present := r.after
				if present == nil {
					present = r.before
				}
				next, err := tm.m.walk(rest, present, r.partial)
				if err != nil || len(next) == len(rest) {
					return err
				}
				rest = next
			}
			_, err := tm.m.describe("s", maria)
			return err
		}
		fo.g.open = true
		tableMap := []byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 2, 3, 15, 2, 20, 0, 0}
		_ = fo.follow(rawEvent(replication.TABLE_MAP_EVENT, 0, 0, tableMap))
		_ = fo.follow(rawEvent(replication.EventType(kind), 0, 0, body))
		_ = fo.follow(body)
	})
}
