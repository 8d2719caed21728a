package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"

	"github.com/go-mysql-org/go-mysql/client"
	gopacket "github.com/go-mysql-org/go-mysql/packet"
)

// The recorded logs are read whole: what the fuzzer damages is real.
func TestRecordedLogs(t *testing.T) {
	for _, name := range []string{"mariadb", "mysql"} {
		b, err := os.ReadFile("testdata/fuzz/FuzzDamagedLog/" + name)
		must(t, err)
		text := strings.Split(string(b), "\n")[1]
		log, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(text, "[]byte("), ")"))
		must(t, err)
		fo, ends := quietFollower(name == "mariadb")
		fo.ended = func(bool) error { *ends++; return nil }
		fo.checksummed = true
		decided, rows := 0, 0
		fo.decided = func(*prepared, []event) error { decided++; return nil }
		fo.rows = func(*table, *rowsEvent) error { rows++; return nil }
		for i, e := range splitLog([]byte(log)) {
			if err := fo.follow(e); err != nil {
				t.Fatalf("%s: event %d: %v", name, i, err)
			}
		}
		if *ends < 9 || decided != 1 || rows < 7 {
			t.Errorf("%s: %d transactions, %d decisions, %d events of rows", name, *ends, decided, rows)
		}
	}
}

// splitLog takes a recorded log apart, as far as its sizes go.
func splitLog(log []byte) (events [][]byte) {
	for len(log) > headerSize {
		n := uint64(binary.LittleEndian.Uint32(log[9:]))
		if n < headerSize || n > uint64(len(log)) {
			break
		}
		events, log = append(events, log[:n]), log[n:]
	}
	if len(log) > 0 {
		events = append(events, log)
	}
	return events
}

// A log that is damaged anywhere is followed to the damage and no further: the
// position never moves with a refusal, which is a halt by name and says nothing of
// the rows. Passing over its transactions one by one comes to an end. The corpus
// has the logs of both servers.
func FuzzDamagedLog(f *testing.F) {
	f.Fuzz(func(t *testing.T, log []byte, maria, mend bool) {
		events := splitLog(log)
		if mend { // as if the server had written them so
			for _, e := range events {
				if len(e) > headerSize+4 {
					binary.LittleEndian.PutUint32(e[len(e)-4:], crc32.ChecksumIEEE(e[:len(e)-4]))
				}
			}
		}
		if len(events) > 200 {
			return
		}
		fo, _ := quietFollower(maria)
		fo.ended = func(bool) error { return nil }
		fo.checksummed = true
		fo.tables = newTables(map[cdc.TableID]*cdc.Selection{{Database: "fuzz", Name: "people"}: {}})
		fo.rows = func(tb *table, r *rowsEvent) error { // as a stream reads them
			fo.g.tables = nil
			fo.note(tb)
			if _, err := tb.count(r); err != nil {
				return fo.damaged(err)
			}
			return nil
		}
		for _, e := range events {
			before := fo.pos.cdc()
			err := fo.follow(e)
			if err == nil {
				continue
			}
			if cdc.HaltCode(err) == "" || leaks(err, fo) {
				t.Fatalf("refused by %v", err)
			}
			if after := fo.pos.cdc(); !after.Equal(before) {
				t.Fatalf("refused, and moved from %s to %s", before, after)
			}
			break
		}

		for rest := events; len(rest) > 0; {
			k := fuzzPasser(fo, maria)
			n := 0
			var err error
			for ; n < len(rest) && err == nil; n++ {
				err = k.event(rest[n])
			}
			if err == nil || !errors.Is(err, errEnough) {
				if err != nil && leaks(err, k.f) {
					t.Fatalf("refused by %v", err)
				}
				return
			}
			if k.out.Behind.IsZero() || n == 0 {
				t.Fatalf("passed over to %s with %d events", k.out.Behind, n)
			}
			if n == 1 && k.out.Events == nil {
				return
			}
			rest = rest[max(1, n-1):] // the announcement of the next one is its end
		}
	})
}

// leaks says whether an error holds what a row does. The name of a file is none
// of a row's, whatever the fuzzer made of it.
func leaks(err error, f *follower) bool {
	return strings.Contains(err.Error(), "canary") && !strings.Contains(f.at.file, "canary")
}

func fuzzPasser(like *follower, maria bool) *passer {
	st := &stream{s: &Source{}, side: goneServer(), v: &server{maria: maria}, selected: like.tables.selected, loads: map[cdc.TableID]*load{}}
	st.f.pos = position{byID: true, set: gtidSet{maria: maria}, at: place{"bin.000001", 1000}}
	fo := st.observer(st.f.pos.at, st.f.pos)
	fo.checksummed = like.checksummed
	fo.tables = newTables(st.selected)
	k := &passer{st: st, f: fo, out: cdc.Passage{Events: map[string]int{}}}
	fo.query, fo.decided = k.query, k.decided
	return k
}

// goneServer is a connection to a server that answers nothing any more.
func goneServer() *conn {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	us, them := net.Pipe()
	us.Close()
	them.Close()
	return &conn{Conn: &client.Conn{Conn: gopacket.NewConn(us)}, ctx: ctx}
}

func xaStatement(gtrid, bqual []byte, format int32) string {
	return fmt.Sprintf("X'%x',X'%x',%d", gtrid, bqual, format)
}

// A name of an XA transaction is read as it is written.
func FuzzXID(f *testing.F) {
	f.Add([]byte("gtrid"), []byte("b"), int32(7))
	f.Add([]byte{0, 255}, []byte{}, int32(-1))
	f.Fuzz(func(t *testing.T, gtrid, bqual []byte, format int32) {
		want := xidText(gtrid, bqual, format)
		s := scanner{text: xaStatement(gtrid, bqual, format)}
		if got := s.xid(); got != want {
			t.Fatalf("%s is read as %q, want %q", s.text, got, want)
		}
		s = scanner{text: string(gtrid)}
		s.xid() // whatever stands there
	})
}

// Rows of which no column is there take no room: some that are left would be
// passed for ever.
func TestRowsThatHoldNothing(t *testing.T) {
	faults.Shows(t, "event-damaged", "halts where rows are left that no column can be read from, in tables of nobody too")
	ts := newTables(nil)
	tb, err := ts.learn([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1, 'd', 0, 1, 't', 0, 2, 3, 15, 2, 20, 0, 0})
	must(t, err)
	if _, err := tb.count(&rowsEvent{table: 1, columns: 2, after: []byte{0}, images: []byte{7}}); err == nil {
		t.Error("they are counted")
	}
}
