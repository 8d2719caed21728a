package mysql

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"chartwire/cdc"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// slab is what came from the network at once, and the whole events in it.
type slab struct {
	buf    []byte // packets, each behind its header
	events []extent
	at     time.Time
	err    error // why nothing comes after these
}

// extent is where an event lies in a slab.
type extent struct{ from, to int }

// each calls f with the events, which are valid until the slab is released.
func (s *slab) each(f func(event []byte) error) error {
	for _, e := range s.events {
		if err := f(s.buf[e.from:e.to]); err != nil {
			return err
		}
	}
	return nil
}

const (
	slabSize  = 256 << 10
	slabCount = 4
	slabLarge = 16 * slabSize
	// packetMax is the length of a packet whose content goes on in the next.
	packetMax  = 1<<24 - 1
	packetHead = 4
)

// reader owns the connection of a dump. It takes the protocol apart itself, so
// that an event is copied from the network to where it is decoded and no more.
// It hands on what has come whenever it would have to wait for more, so that
// nothing rests in it, and reads no further while nobody takes what it has.
type reader struct {
	c       *conn
	net     net.Conn // under c, with TLS if there is any
	timeout time.Duration
	most    int // bytes of an event
	out     chan *slab
	free    chan *slab
	cur     *slab
	started bool

	sequence byte // of the next packet
	next     int  // where in cur the next packet's header is, or will be
	start    int  // where the event starts that goes on behind next, if more
	more     bool
}

// seekTimeout is how long a server may look for where to start before its
// first event, without a sign of life.
const seekTimeout = 2 * time.Minute

// newReader takes a connection on which a dump was asked for and nothing of it
// was read.
func newReader(c *conn, timeout time.Duration, most int) *reader {
	r := &reader{c: c, net: c.Conn.Conn.Conn, sequence: c.Sequence, timeout: timeout, most: most,
		out: make(chan *slab, slabCount), free: make(chan *slab, slabCount)}
	for range slabCount {
		r.free <- &slab{buf: make([]byte, 0, slabSize)}
	}
	r.cur = <-r.free
	return r
}

// run reads until the connection breaks or its context ends, and closes it. The
// last slab says why.
func (r *reader) run() {
	defer r.c.close()
	for {
		err := r.flush()
		if err == nil {
			err = r.read()
		}
		if r.c.ctx.Err() != nil {
			err = r.c.ctx.Err()
		}
		if err != nil {
			r.cur.at, r.cur.err = time.Now(), said(err)
			select {
			case r.out <- r.cur:
			case <-r.c.ctx.Done():
			}
			return
		}
	}
}

// read waits for the network, and finds the events in what came.
func (r *reader) read() error {
	timeout := r.timeout
	if !r.started {
		timeout = max(timeout, seekTimeout)
	}
	r.c.patience(timeout)
	s := r.cur
	if len(s.buf) == cap(s.buf) { // an event larger than any before
		s.buf = append(s.buf, 0)[:len(s.buf)]
	}
	n, err := r.net.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if serr := r.split(); serr != nil {
		return serr
	}
	if err != nil {
		return fmt.Errorf("reading the binlog: %w", err)
	}
	return nil
}

// split finds the events that are whole.
func (r *reader) split() error {
	s := r.cur
	for {
		head := s.buf[r.next:]
		if len(head) < packetHead {
			return nil
		}
		if err := r.oversized(head); err != nil {
			return err
		}
		n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		if !r.more && n > headerSize {
			p := head[packetHead:]
			if len(p) <= headerSize {
				return nil
			}
			// An event says first how long it is, in however many packets it comes.
			size := binary.LittleEndian.Uint32(p[10:])
			// One that disagrees with its packet is damaged, and is found to be.
			if p[0] == gomysql.OK_HEADER && int64(size) > int64(r.most) && (n == packetMax || int64(size)+1 == int64(n)) {
				return &oversize{replication.EventType(p[5]), uint64(size), r.most}
			}
		}
		if len(head) < packetHead+n {
			return nil
		}
		if head[3] != r.sequence {
			return fmt.Errorf("reading the binlog: packet %d came where %d was due", head[3], r.sequence)
		}
		r.sequence++
		if r.more { // close the gap that the header makes in the event
			s.buf = append(s.buf[:r.next], head[packetHead:]...)
			r.next += n
		} else {
			r.start = r.next + packetHead
			r.next = r.start + n
		}
		if r.more = n == packetMax; r.more {
			continue
		}
		if err := r.check(s.buf[r.start:r.next]); err != nil {
			return err
		}
		s.events = append(s.events, extent{r.start + 1, r.next})
	}
}

// oversized finds a packet that claims more than its event has: waiting for the
// rest of it would take what follows, heartbeats too, for a part of it.
func (r *reader) oversized(packet []byte) error {
	if r.more || len(packet) < packetHead+1+headerSize || packet[packetHead] != gomysql.OK_HEADER {
		return nil
	}
	n := uint64(packet[0]) | uint64(packet[1])<<8 | uint64(packet[2])<<16
	size := uint64(binary.LittleEndian.Uint32(packet[packetHead+1+9:]))
	if n > headerSize && n > size+1 {
		return &cdc.Halt{Code: HaltDamaged, Text: fmt.Sprintf("a packet of %d bytes came for an event of %d", n, size)}
	}
	return nil
}

// check looks at the byte before the event.
func (r *reader) check(p []byte) error {
	switch {
	case len(p) == 0:
		return fmt.Errorf("reading the binlog: an empty packet")
	case p[0] == gomysql.OK_HEADER:
		return nil
	case p[0] == gomysql.ERR_HEADER:
		return r.c.HandleErrorPacket(append([]byte(nil), p...))
	case p[0] == gomysql.EOF_HEADER:
		return fmt.Errorf("reading the binlog: the server ended it")
	}
	return fmt.Errorf("reading the binlog: a packet that starts with %d", p[0])
}

// flush hands on the whole events, and keeps the start of the next one.
func (r *reader) flush() error {
	full := r.cur
	if len(full.events) == 0 {
		return nil
	}
	select {
	case r.cur = <-r.free:
	case <-r.c.ctx.Done():
		return r.c.ctx.Err()
	}
	keep := r.next
	if r.more {
		keep = r.start
	}
	r.cur.buf = append(r.cur.buf, full.buf[keep:]...)
	r.next, r.start = r.next-keep, r.start-keep
	full.buf = full.buf[:keep]
	full.at = time.Now()
	// A real event shows that the server has found the place.
	r.started = r.started || found(full)
	large := len(full.buf) > slabLarge
	if r.out <- full; large {
		return r.drain()
	}
	return nil
}

// drain waits until everything that was handed on is given back: a large event is
// in memory alone.
func (r *reader) drain() error {
	var back [slabCount - 1]*slab // all but cur
	for i := range back {
		select {
		case back[i] = <-r.free:
		case <-r.c.ctx.Done():
			return r.c.ctx.Err()
		}
	}
	for _, s := range back {
		r.free <- s
	}
	return nil
}

// found says whether a slab holds an event that is not part of a dump's
// preamble.
func found(s *slab) bool {
	for _, e := range s.events {
		if p := s.buf[e.from:e.to]; len(p) >= headerSize && !preamble(p[4]) {
			return true
		}
	}
	return false
}

// release gives a slab back when nothing points into it any more.
func (r *reader) release(s *slab) {
	if cap(s.buf) > slabLarge {
		s.buf = make([]byte, 0, slabSize) // one huge event must not stay
	}
	s.buf, s.events, s.err = s.buf[:0], s.events[:0], nil
	r.free <- s
}
