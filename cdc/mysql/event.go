package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"
)

// event is one event of the binlog, its parts still in the bytes that came.
type event struct {
	kind   replication.EventType
	flags  uint16
	time   uint32
	server uint32
	size   uint32
	end    uint32 // where it ends in its file, modulo 2^32; 0 where the server does not say
	body   []byte
	// checksums says of a format description that the events after it carry one.
	checksums bool
}

const headerSize = 19

// flagIgnorable marks events that a reader may pass over without knowing them.
const (
	flagArtificial = replication.LOG_EVENT_ARTIFICIAL_F
	flagIgnorable  = replication.LOG_EVENT_IGNORABLE_F
)

var errShort = errors.New("event ends before its content")

// parseEvent takes an event apart and checks its checksum where there is one.
func parseEvent(raw []byte, checksummed bool) (event, error) {
	if len(raw) < headerSize {
		return event{}, errShort
	}
	e := event{
		time:   binary.LittleEndian.Uint32(raw),
		kind:   replication.EventType(raw[4]),
		server: binary.LittleEndian.Uint32(raw[5:]),
		size:   binary.LittleEndian.Uint32(raw[9:]),
		end:    binary.LittleEndian.Uint32(raw[13:]),
		flags:  binary.LittleEndian.Uint16(raw[17:]),
		body:   raw[headerSize:],
	}
	if int(e.size) != len(raw) {
		return event{}, fmt.Errorf("event of kind %d says %d bytes and has %d", e.kind, e.size, len(raw))
	}
	if e.kind == replication.FORMAT_DESCRIPTION_EVENT {
		checksummed = checksumOf(e.body)
		e.checksums = checksummed
	}
	if checksummed {
		at := len(raw) - 4
		if at < headerSize {
			return event{}, errShort
		}
		if crc32.ChecksumIEEE(raw[:at]) != binary.LittleEndian.Uint32(raw[at:]) {
			return event{}, fmt.Errorf("event of kind %d at %d is damaged: its checksum differs", e.kind, e.end)
		}
		e.body = e.body[:len(e.body)-4]
	}
	return e, nil
}

// checksumOf says whether the events after a format description carry a
// checksum. Its last five bytes are the algorithm and its own checksum.
func checksumOf(body []byte) bool { return len(body) >= 5 && body[len(body)-5] == 1 }

// cursor reads the fields of an event. After a read past the end, bad is set
// and every read gives zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

// uint reads n bytes, the least significant first.
func (c *cursor) uint(n int) (v uint64) {
	for i, b := range c.take(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// packed reads a length-encoded integer.
func (c *cursor) packed() uint64 {
	switch first := c.uint(1); first {
	case 0xfc:
		return c.uint(2)
	case 0xfd:
		return c.uint(3)
	case 0xfe:
		return c.uint(8)
	case 0xfb, 0xff:
		c.bad = true
		return 0
	default:
		return first
	}
}

func (c *cursor) packedBytes() []byte {
	n := c.packed()
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	return c.take(int(n))
}

// begin is what announces a transaction.
type begin struct {
	id         gtid
	anonymous  bool
	standalone bool      // MariaDB: one event, no end
	prepared   bool      // MariaDB: an XA transaction that is only prepared
	time       time.Time // of the commit; zero on MariaDB, where the last event says it
}

// The flags of MariaDB's event that go-mysql does not name.
const mariaPreparedXA = 64

func parseBegin(e *event) (begin, error) {
	c := cursor{b: e.body}
	var b begin
	switch e.kind {
	case replication.MARIADB_GTID_EVENT:
		b.id = gtid{n: c.uint(8), domain: uint32(c.uint(4)), server: e.server}
		flags := c.uint(1)
		b.standalone = flags&replication.BINLOG_MARIADB_FL_STANDALONE != 0
		b.prepared = flags&mariaPreparedXA != 0
	case replication.GTID_TAGGED_LOG_EVENT:
		return parseTagged(e)
	default:
		c.take(1)
		copy(b.id.uuid[:], c.take(16))
		b.id.n = c.uint(8)
		b.anonymous = e.kind == replication.ANONYMOUS_GTID_EVENT
		if len(c.b) >= 24 && c.uint(1) == 2 {
			c.take(16)
			b.time = microseconds(&c)
		}
	}
	if c.bad {
		return begin{}, errShort
	}
	return b, nil
}

// microseconds reads the time of a commit on the server where it was made: the
// second of two times if this server only replays it.
func microseconds(c *cursor) time.Time {
	const replayed = 1 << 55
	us := c.uint(7)
	if us&replayed != 0 {
		us = c.uint(7)
	}
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}

func parseTagged(e *event) (b begin, err error) {
	defer func() {
		if recover() != nil { // the library slices without looking
			err = errShort
		}
	}()
	var g replication.GtidTaggedLogEvent
	if err := g.Decode(e.body); err != nil {
		return begin{}, fmt.Errorf("decoding a tagged transaction id: %w", err)
	}
	if len(g.SID) != 16 || g.GNO < 1 || g.OriginalCommitTimestamp > math.MaxInt64 {
		return begin{}, errShort
	}
	copy(b.id.uuid[:], g.SID)
	b.id.n, b.id.tag = uint64(g.GNO), g.Tag.String()
	if g.OriginalCommitTimestamp > 0 {
		b.time = time.UnixMicro(int64(g.OriginalCommitTimestamp))
	}
	return b, nil
}
