package mysql

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// Whatever happens to what the server sends on its way, once: it is read again,
// and every change comes once and in order.
func TestDamageOnTheWay(t *testing.T) {
	faults.Shows(t, "packet-damaged", "the event's checksum tells: it is read again from the last whole transaction, nothing lost or twice; the third time it halts with its place")
	faults.Shows(t, "packet-truncated", "what is missing is read again from the last whole transaction")
	faults.Shows(t, "packet-oversized", "a packet that claims more than its event has is refused at once, and read again")
	faults.Shows(t, "checksum", "is read again from the last whole transaction; the third time it halts with its place")
	faults.Shows(t, "silent-connection", "is left after three heartbeats, and the stream goes on")
	faults.Shows(t, "silent-server", "is left after three heartbeats; what it did not say comes from the next connection")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		p.stop()
		m := meddle(t, r.cfg.Addr)
		r.cfg.Addr = m.Addr().String()
		p = r.tap(p.resume())
		id := 0
		f := func(name string, edit func(m *meddler, packet []byte) []byte) {
			t.Helper()
			var hit atomic.Int32
			m.set(func(packet []byte) []byte {
				if hit.Load() > 0 && m.cutNext.Swap(false) {
					return nil
				}
				if (hit.Load() > 0) || !strings.Contains(string(packet), "canary") {
					return packet
				}
				return onRows(func(packet []byte) []byte {
					hit.Add(1)
					return edit(m, packet)
				})(packet)
			})
			id += 10
			r.exec(fmt.Sprintf("start transaction; insert into people values (%d,'a',null); insert into people values (%d,'canary',null); commit; insert into people values (%d,'c',null)", id, id+1, id+2))
			want(t, show(t, p.next()), fmt.Sprintf("c people %[1]d: id=%[1]d name=a note=NULL", id), fmt.Sprintf("c people %[1]d: id=%[1]d name=canary note=NULL", id+1))
			want(t, show(t, p.next()), fmt.Sprintf("c people %[1]d: id=%[1]d name=c note=NULL", id+2))
			if hit.Load() != 1 {
				t.Errorf("%s: %d packets were changed", name, hit.Load())
			}
		}
		f("a bit in the content", func(_ *meddler, p []byte) []byte { p[len(p)-8] ^= 1; return p })
		f("a bit in the kind", func(_ *meddler, p []byte) []byte { p[packetHead+1+4] ^= 0x40; return p })
		f("a bit in the size", func(_ *meddler, p []byte) []byte { p[packetHead+1+9] ^= 2; return p })
		f("a bit in the size that makes it huge", func(_ *meddler, p []byte) []byte { p[packetHead+1+12] ^= 0x40; return p })
		f("a bit in the place", func(_ *meddler, p []byte) []byte { p[packetHead+1+13] ^= 0x80; return p })
		f("a bit in the checksum", func(_ *meddler, p []byte) []byte { p[len(p)-1] ^= 1; return p })
		f("the packet's number", func(_ *meddler, p []byte) []byte { p[3] ^= 4; return p })
		f("a shorter packet", func(_ *meddler, p []byte) []byte {
			p = p[:len(p)-3]
			p[0] -= 3
			return p
		})
		f("a packet that claims more", func(_ *meddler, p []byte) []byte { p[1]++; return p })
		f("a packet that claims 16 MiB", func(_ *meddler, p []byte) []byte { p[0], p[1], p[2] = 0xfe, 0xff, 0xff; return p })
		f("left out", func(*meddler, []byte) []byte { return []byte{} })
		f("twice", func(_ *meddler, p []byte) []byte { return append(p, p...) })
		f("an end in the middle", func(m *meddler, p []byte) []byte { m.cutNext.Store(true); return p[:len(p)/2] })
		f("an end in the header", func(m *meddler, p []byte) []byte { m.cutNext.Store(true); return p[:2] })
		f("an end", func(*meddler, []byte) []byte { return nil })
		f("silence", func(m *meddler, _ []byte) []byte { return m.silent })
	})
}

// A log file that ends in the middle of an event, as a full disk leaves it, stops
// the capture where it ends; what is before it has come.
func TestTruncatedLogFile(t *testing.T) {
	faults.Shows(t, "binlog-truncated", "everything before it comes, then it halts with event-damaged and the place; nothing behind it is taken for what follows")
	each(t, func(t *testing.T, k kind) {
		r, p := own(t, k)
		p = r.tap(p.resume())
		r.exec("insert into people values (70,'whole',null)")
		p.next()
		p.stop()
		files := logFiles(t, r)
		r.exec("insert into people values (71,'whole too',null); insert into people values (72,'canary',null); flush binary logs; insert into people values (73,'behind',null)")
		var dir string
		must(t, r.sql.QueryRow("select @@datadir").Scan(&dir))
		path := filepath.Join(dir, files[len(files)-1])
		if _, err := os.Stat(path); err != nil {
			var base string
			must(t, r.sql.QueryRow("select @@log_bin_basename").Scan(&base))
			path = filepath.Join(filepath.Dir(base), files[len(files)-1])
		}
		b, err := os.ReadFile(path)
		must(t, err)
		at := strings.Index(string(b), "canary")
		if at < 0 {
			t.Fatalf("the row is not in %s", path)
		}
		must(t, os.Truncate(path, int64(at+2)))
		q := r.tap(p.resume())
		want(t, show(t, q.next()), "c people 71: id=71 name=whole too note=NULL")
		err = q.halt(HaltDamaged)
		if !strings.Contains(err.Error(), files[len(files)-1]) && !strings.Contains(err.Error(), q.last.Position.String()) || strings.Contains(err.Error(), "canary") {
			t.Errorf("the halt says: %v", err)
		}
	})
}

// What answers at the address and is no database, or says nothing at all, is
// said to be that, and waited for no longer than the patience that is configured.
func TestOtherServers(t *testing.T) {
	faults.Shows(t, "server-other-protocol", "is no halt: it is tried again, by name of its address, until the patience is over; the position stays")
	faults.Shows(t, "server-hangs", "is left after ten seconds and tried again until the patience is over; the position stays")
	f := func(name string, answer func(net.Conn)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			r, p := started(t, maria, people+"InnoDB", "people")
			p.stop()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				var open []net.Conn
				for {
					c, err := l.Accept()
					if err != nil {
						for _, c := range open {
							c.Close()
						}
						return
					}
					open = append(open, c)
					go answer(c)
				}
			}()
			defer func() { l.Close(); <-done }()
			r.cfg.Addr, r.cfg.Patience = l.Addr().String(), 2*time.Second
			q := r.tap(p.resume())
			for txn := range q.txns {
				q.note(txn)
			}
			if cdc.HaltCode(q.err) != "" || q.err == nil || !strings.Contains(q.err.Error(), "out of reach for") || !strings.Contains(q.err.Error(), r.cfg.Addr) {
				t.Errorf("the stream ended: %v", q.err)
			}
			if q.last != p.last {
				t.Errorf("it stands at %s", q.last.Position)
			}
		})
	}
	f("another protocol", func(c net.Conn) {
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
		c.Close()
	})
	f("random bytes", func(c net.Conn) {
		_, _ = c.Write(bytes.Repeat([]byte{0x4a, 0, 0, 0, 10, 'x', 0xff}, 50))
		c.Close()
	})
	f("nothing", func(net.Conn) {})
}
