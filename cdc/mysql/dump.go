package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// origin is where a server is asked to start its log: a place, or everything
// that is not in a set.
type origin struct {
	at  place
	set gtidSet
}

// dump asks the server for its log and starts to read it. The connection is
// the reader's from then on.
func (s *Source) dump(ctx context.Context, v *server, from origin) (*reader, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.startDump(c, v, from); err != nil {
		c.close()
		return nil, fmt.Errorf("asking %s for its binlog: %w", s.cfg.Addr, s.explain(said(err)))
	}
	return newReader(c, 3*s.cfg.Heartbeat), nil
}

func (s *Source) startDump(c *conn, v *server, from origin) error {
	period := s.cfg.Heartbeat.Nanoseconds()
	settings := fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %d, "+
		"@master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum, "+
		"@@SESSION.net_write_timeout = 600", period, period)
	if v.maria {
		settings += ", @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1"
		if from.at.isZero() {
			settings += ", @slave_connect_state = " + text(from.set.String())
		}
	} else {
		uuid, err := c.value("SELECT UUID()")
		if err != nil {
			return err
		}
		settings += ", @slave_uuid = " + text(uuid) + ", @replica_uuid = " + text(uuid)
	}
	if _, err := c.query(settings); err != nil {
		return err
	}
	c.patience(queryTimeout)
	if err := s.register(c); err != nil {
		return err
	}
	c.ResetSequence()
	command, err := s.dumpCommand(v, from)
	if err != nil {
		return err
	}
	return c.WritePacket(command)
}

// register makes the reader known, so that SHOW REPLICAS names it.
func (s *Source) register(c *conn) error {
	host, _ := os.Hostname()
	host = host[:min(len(host), 60)]
	b := append(make([]byte, 4), gomysql.COM_REGISTER_SLAVE)
	b = binary.LittleEndian.AppendUint32(b, s.cfg.ServerID)
	b = append(append(b, byte(len(host))), host...)
	b = append(b, 0, 0)       // no user, no password
	b = append(b, 0, 0)       // port
	b = append(b, 0, 0, 0, 0) // rank
	b = append(b, 0, 0, 0, 0) // the primary's id
	c.ResetSequence()
	if err := c.WritePacket(b); err != nil {
		return err
	}
	_, err := c.ReadOKPacket()
	return err
}

func (s *Source) dumpCommand(v *server, from origin) ([]byte, error) {
	b := make([]byte, 4)
	if !from.at.isZero() || v.maria {
		if from.at.offset > math.MaxUint32 {
			return nil, fmt.Errorf("the protocol cannot name %s: it lies beyond 4 GiB", from.at)
		}
		b = append(b, gomysql.COM_BINLOG_DUMP)
		b = binary.LittleEndian.AppendUint32(b, uint32(max(from.at.offset, 4)))
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, s.cfg.ServerID)
		return append(b, from.at.file...), nil
	}
	set, err := gomysql.ParseMysqlGTIDSet(from.set.String())
	if err != nil {
		return nil, fmt.Errorf("encoding the position: %w", err)
	}
	data := set.Encode()
	b = append(b, gomysql.COM_BINLOG_DUMP_GTID, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, s.cfg.ServerID)
	b = append(b, 0, 0, 0, 0) // no file name
	b = binary.LittleEndian.AppendUint64(b, 4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...), nil
}

// slab is some events that came together, each behind the byte that the
// protocol puts before it.
type slab struct {
	buf  []byte
	ends []int
	at   time.Time
	err  error // why nothing comes after these
}

const (
	slabSize  = 256 << 10
	slabCount = 4
)

// reader owns the connection of a dump. It hands on what has come whenever it
// would have to wait for more, so that nothing rests in it, and reads no
// further while nobody takes what it has.
type reader struct {
	c       *conn
	timeout time.Duration
	out     chan *slab
	free    chan *slab
	cur     *slab
	started bool
}

// seekTimeout is how long a server may look for where to start before its
// first event, without a sign of life.
const seekTimeout = 2 * time.Minute

func newReader(c *conn, timeout time.Duration) *reader {
	r := &reader{c: c, timeout: timeout, out: make(chan *slab, slabCount), free: make(chan *slab, slabCount)}
	for range slabCount {
		r.free <- &slab{}
	}
	r.cur = <-r.free
	return r
}

// Write takes a part of the packet at hand.
func (r *reader) Write(p []byte) (int, error) {
	r.cur.buf = append(r.cur.buf, p...)
	return len(p), nil
}

// run reads until the connection breaks or its context ends, and closes it. The
// last slab says why.
func (r *reader) run() {
	defer r.c.close()
	r.c.hook.beforeRead = r.wait
	for {
		err := r.c.ReadPacketTo(r) // may hand on what came before, and go on in another slab
		start := r.cur.start()
		if r.c.ctx.Err() != nil {
			err = r.c.ctx.Err()
		}
		if err == nil {
			err = r.check(start)
		}
		if err != nil {
			r.cur.buf = r.cur.buf[:start]
			r.cur.err = said(err)
			select {
			case r.out <- r.cur:
			case <-r.c.ctx.Done():
			}
			return
		}
		r.cur.ends = append(r.cur.ends, len(r.cur.buf))
		if len(r.cur.buf) >= slabSize {
			_ = r.flush() // only the context's end fails it, and the next read says so
		}
	}
}

// start is where the packet at hand begins.
func (s *slab) start() int {
	if n := len(s.ends); n > 0 {
		return s.ends[n-1]
	}
	return 0
}

// check looks at the byte before the event.
func (r *reader) check(start int) error {
	p := r.cur.buf[start:]
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

// wait runs before each read from the network.
func (r *reader) wait() error {
	if err := r.flush(); err != nil {
		return err
	}
	timeout := r.timeout
	if !r.started {
		timeout = max(timeout, seekTimeout)
	}
	r.c.patience(timeout)
	return nil
}

// flush hands on the whole events, and keeps the start of the next one.
func (r *reader) flush() error {
	if len(r.cur.ends) == 0 {
		return nil
	}
	full := r.cur
	select {
	case r.cur = <-r.free:
	case <-r.c.ctx.Done():
		return r.c.ctx.Err()
	}
	r.cur.buf = append(r.cur.buf[:0], full.buf[full.start():]...)
	r.cur.ends, r.cur.err = r.cur.ends[:0], nil
	full.buf = full.buf[:full.start()]
	full.at = time.Now()
	// A real event shows that the server has found the place.
	r.started = r.started || len(full.ends) > 0 && found(full)
	r.out <- full
	return nil
}

// found says whether a slab holds an event that is not part of a dump's
// preamble.
func found(s *slab) bool {
	from := 0
	for _, end := range s.ends {
		if p := s.buf[from:end]; len(p) > headerSize+1 && !preamble(p[5]) {
			return true
		}
		from = end
	}
	return false
}

// release gives a slab back when nothing points into it any more.
func (r *reader) release(s *slab) {
	if cap(s.buf) > 16*slabSize {
		s.buf = nil // one huge event must not stay
	}
	s.buf, s.ends = s.buf[:0], s.ends[:0]
	r.free <- s
}
