package mysql

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/integration/faults"

	"github.com/go-mysql-org/go-mysql/client"
	gopacket "github.com/go-mysql-org/go-mysql/packet"
)

// readerOn starts a reader on one end of a connection and gives the other.
func readerOn(t *testing.T) (*reader, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	c := &conn{Conn: &client.Conn{Conn: gopacket.NewConn(here)}, ctx: ctx}
	c.stop = context.AfterFunc(ctx, func() { _ = here.SetDeadline(time.Unix(1, 0)) })
	r := newReader(c, 5*time.Second, 1<<33)
	done := make(chan struct{})
	go func() { defer close(done); r.run() }()
	t.Cleanup(func() {
		cancel()
		_ = there.Close()
		<-done
	})
	return r, there
}

// packets writes payloads as the protocol has them.
func packets(seq *byte, payload []byte) (out []byte) {
	for {
		n := min(len(payload), packetMax)
		out = append(out, byte(n), byte(n>>8), byte(n>>16), *seq)
		out = append(out, payload[:n]...)
		payload = payload[n:]
		*seq++
		if n < packetMax {
			return out
		}
	}
}

// TestReader cuts the stream of packets anywhere, with events of every size: of
// nothing, larger than a slab, and of several packets.
func TestReader(t *testing.T) {
	faults.Shows(t, "packet-oversized", "puts events of several packets together, however the stream of bytes is cut")
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, slabSize, packetMax - 2, packetMax - 1, packetMax, 2*packetMax - 1, 2*packetMax + 7, 3}
	for range 20_000 {
		sizes = append(sizes, rng.IntN(300))
	}
	rng.Shuffle(len(sizes), func(i, j int) { sizes[i], sizes[j] = sizes[j], sizes[i] })
	var wire []byte
	var want [][]byte
	seq := byte(0)
	for _, n := range sizes {
		event := make([]byte, n)
		for i := range event {
			event[i] = byte(rng.Uint32())
		}
		if n >= headerSize {
			binary.LittleEndian.PutUint32(event[9:], uint32(n))
		}
		want = append(want, event)
		wire = append(wire, packets(&seq, append([]byte{0}, event...))...)
	}
	r, there := readerOn(t)
	go func() {
		for len(wire) > 0 {
			n := min(len(wire), 1+rng.IntN(100_000))
			if _, err := there.Write(wire[:n]); err != nil {
				return
			}
			wire = wire[n:]
		}
		_ = there.Close()
	}()
	for {
		s := <-r.out
		if err := s.each(func(event []byte) error {
			if len(want) == 0 || !bytes.Equal(event, want[0]) {
				return errors.New("an event is another than the one that was sent")
			}
			want = want[1:]
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if s.err != nil {
			if !errors.Is(s.err, io.EOF) {
				t.Errorf("the end: %v", s.err)
			}
			break
		}
		r.release(s)
	}
	if len(want) != 0 {
		t.Errorf("%d events are missing", len(want))
	}
}

// TestReaderEnds wants what came before a fault to be handed on, and the fault
// named.
func TestReaderEnds(t *testing.T) {
	faults.Shows(t, "packet-truncated", "hands on what came before, names the fault and connects again")
	f := func(name string, bad []byte, want string) {
		t.Helper()
		r, there := readerOn(t)
		seq := byte(0)
		good := packets(&seq, []byte("\x00event"))
		go func() { _, _ = there.Write(append(good, bad...)) }()
		events := 0
		for {
			s := <-r.out
			events += len(s.events)
			if s.err != nil {
				if !strings.Contains(s.err.Error(), want) || s.at.IsZero() {
					t.Errorf("%s: %v at %s", name, s.err, s.at)
				}
				break
			}
			r.release(s)
		}
		if events != 1 {
			t.Errorf("%s: %d events", name, events)
		}
	}
	f("a packet left out", []byte{1, 0, 0, 2, 0}, "packet 2 came where 1 was due")
	f("an empty packet", []byte{0, 0, 0, 1}, "an empty packet")
	f("an end", []byte{1, 0, 0, 1, 0xfe}, "the server ended it")
	f("anything", []byte{1, 0, 0, 1, 7}, "starts with 7")
	f("an error", append([]byte{12, 0, 0, 1, 0xff, 0xd4, 0x04}, "#HY000bad"...), "bad")
}

// While nobody takes what was read, four slabs are read ahead, and of large events
// one alone: however large they may be, they are in memory one by one.
func TestReaderAhead(t *testing.T) {
	f := func(size, least, most int) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r, there := readerOn(t)
			sent := 0
			go func() {
				seq := byte(0)
				event := make([]byte, size)
				binary.LittleEndian.PutUint32(event[9:], uint32(size))
				for {
					for wire := packets(&seq, append([]byte{0}, event...)); len(wire) > 0; {
						n, err := there.Write(wire[:min(len(wire), 64<<10)])
						if err != nil {
							return
						}
						sent, wire = sent+n, wire[n:]
					}
				}
			}()
			synctest.Wait()
			if sent < least || sent > most {
				t.Errorf("events of %d bytes: %d bytes were read ahead", size, sent)
			}
			for before := sent; sent < before+size; { // it goes on when they are taken
				r.release(<-r.out)
				synctest.Wait()
			}
		})
	}
	f(1000, 3000, slabCount*slabSize) // as they come
	f(slabLarge+1, slabLarge, slabLarge+slabSize)
}
