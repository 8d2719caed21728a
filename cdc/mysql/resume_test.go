package mysql

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// cutter is a proxy that cuts each connection of a dump after some bytes of the
// log, a few more each time.
type cutter struct {
	net.Listener
	upstream    string
	first, step int // bytes after which the first dump is cut, and how many more the next has
	mu          sync.Mutex
	dumps       int
	conns       int
	frozen      int           // as many of the first connections stay open, and nothing comes
	seek        time.Duration // between a dump's request and its first byte
}

func cut(t *testing.T, upstream string, first, step int) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, upstream: upstream, first: first, step: step}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(in)
		}
	}()
	return c
}

func (c *cutter) serve(in net.Conn) {
	defer in.Close()
	c.mu.Lock()
	upstream := c.upstream
	c.conns++
	number := c.conns
	c.mu.Unlock()
	out, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer out.Close()
	limit := make(chan int, 1)
	go func() {
		defer out.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := in.Read(b)
			if n > 4 && b[3] == 0 && (b[4] == 0x12 || b[4] == 0x1e) {
				c.mu.Lock()
				c.dumps++
				limit <- c.first + c.dumps*c.step
				c.mu.Unlock()
			}
			if _, werr := out.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	b := make([]byte, 1)
	left, limited := 0, false
	for {
		n, err := out.Read(b[:cap(b)])
		select {
		case left = <-limit:
			limited = c.step > 0
			time.Sleep(c.seek)
		default:
		}
		for c.isFrozen(number) {
			time.Sleep(10 * time.Millisecond)
		}
		if limited {
			if left -= n; left < 0 {
				return
			}
		}
		if _, werr := in.Write(b[:n]); err != nil || werr != nil {
			return
		}
		if !limited && cap(b) == 1 {
			b = make([]byte, 1) // one byte at a time, so that the cut is exact
		}
	}
}

// lead takes the connections that are made from now on to another server.
func (c *cutter) lead(upstream string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upstream = upstream
}

func (c *cutter) isFrozen(number int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return number <= c.frozen
}

// freeze lets nothing come any more through the connections that there are.
func (c *cutter) freeze() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = c.conns
}

func (c *cutter) thaw() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen = 0
}

// workload is a little of everything that ends a transaction.
func workload(r *rig) {
	for i := range 6 {
		r.exec(fmt.Sprintf("insert into people values (%d,'n',null)", i))
		r.exec(fmt.Sprintf("start transaction; update people set note='%s' where id=%d; insert into other values (%d); commit; "+
			"insert into isam values (%d,'m',null)", strings.Repeat("x", 40*i), i, i, i))
		r.exec(fmt.Sprintf("update isam set name='o' where id=%d", i))
	}
	r.exec("truncate isam; delete from people where id<3; insert into people values (99,'end',null)")
}

const workloadDDL = people + "InnoDB; create table isam (id int primary key, name varchar(20), note text) engine=MyISAM; create table other (id int primary key)"

// until collects lines until the row 99 has come.
func until(t *testing.T, p *tap) (lines []string) {
	t.Helper()
	for {
		l := show(t, p.next())
		lines = append(lines, l...)
		if len(l) > 0 && strings.Contains(l[len(l)-1], "id=99") {
			return lines
		}
	}
}

// However often and wherever the connection breaks, every change comes once and
// in order.
func TestCutConnections(t *testing.T) {
	faults.Shows(t, "checkpoint-inside", "begins the transaction again: every change once and in order, wherever the connection was cut")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, workloadDDL, "people", "isam")
		start := p.resume()
		workload(r)
		whole := until(t, p)
		p.stop()

		c := cut(t, r.cfg.Addr, 200, 83)
		r.cfg.Addr = c.Addr().String()
		q := r.tap(start)
		want(t, until(t, q), whole...)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.dumps < 15 {
			t.Errorf("the connection was cut %d times only", c.dumps)
		}
		t.Logf("cut %d times", c.dumps)
	})
}

// From each checkpoint that a consumer may have kept, exactly the rest comes.
func TestResumeAnywhere(t *testing.T) {
	faults.Shows(t, "gtid-killed-anywhere", "from every checkpoint exactly the rest comes")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, workloadDDL, "people", "isam")
		points := []cdc.Resume{p.resume()}
		starts := []int{0}
		workload(r)
		var whole []string
		for {
			txn := p.next()
			whole = append(whole, show(t, txn)...)
			points, starts = append(points, p.resume()), append(starts, len(whole))
			if strings.Contains(whole[len(whole)-1], "id=99") {
				break
			}
		}
		p.stop()
		for i, point := range points[:len(points)-1] {
			q := r.tap(point)
			want(t, until(t, q), whole[starts[i]:]...)
			q.stop()
		}
	})
}

// A transaction larger than memory comes in pieces, and can be resumed in each.
func TestPieces(t *testing.T) {
	faults.Shows(t, "transaction-huge", "comes in pieces with their places; a resumption inside compares the last row read")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB; create table other (id int primary key)", "people")
		p.stop()
		r.cfg.Piece = 64 << 10
		p = r.tap(p.resume())
		var values, others []string
		for i := range 2000 {
			values = append(values, fmt.Sprintf("(%d,'n','%s')", i, strings.Repeat("z", 100)))
			others = append(others, fmt.Sprintf("(%d)", i))
		}
		r.exec("start transaction; insert into other values " + strings.Join(others, ",") + "; insert into people values " +
			strings.Join(values, ",") + "; commit; insert into people values (9999,'id=99',null)")
		var whole []string
		var pieces []cdc.Checkpoint
		var starts []int
		var ids []string
		id := ""
		for {
			txn := p.next()
			if txn.Begin != (len(pieces) == 0 || pieces[len(pieces)-1].Rows == 0) || txn.End != (txn.Checkpoint.Rows == 0) {
				t.Fatalf("piece %d: begin %v, end %v, %d rows", len(pieces), txn.Begin, txn.End, txn.Checkpoint.Rows)
			}
			whole = append(whole, show(t, txn)...)
			ids = append(ids, txn.ID)
			if txn.End && len(pieces) > 0 {
				id = txn.Checkpoint.Position.Last.GTID
				break
			}
			pieces, starts = append(pieces, txn.Checkpoint), append(starts, len(whole))
		}
		whole = append(whole, show(t, p.next())...)
		if len(pieces) < 3 || len(whole) != 2001 {
			t.Fatalf("%d pieces, %d rows", len(pieces), len(whole))
		}
		p.stop()
		for i, got := range ids {
			if got != id || (k.name == mysqlFile.name) != (id == "") {
				t.Errorf("piece %d is of %q, the transaction is %q", i, got, id)
			}
		}
		for i, c := range pieces {
			q := r.tap(cdc.Resume{Checkpoint: c, Loads: p.loads})
			first := q.next()
			if first.Begin || first.ID != id {
				t.Errorf("after piece %d: begin %v, of %q", i, first.Begin, first.ID)
			}
			got := append(show(t, first), until(t, q)...)
			if !slices.Equal(got, whole[starts[i]:]) {
				t.Fatalf("after piece %d: %d lines, want %d", i, len(got), len(whole)-starts[i])
			}
			q.stop()
		}
		wrong := pieces[1]
		wrong.Last++
		r.tap(cdc.Resume{Checkpoint: wrong, Loads: p.loads}).halt(HaltResumeRow)
	})
}

// A connection that is open and dead is noticed, and the stream goes on.
func TestSilentConnection(t *testing.T) {
	faults.Shows(t, "silent-connection", "is left after three heartbeats, and the stream goes on")
	r, p := started(t, maria, people+"InnoDB", "people")
	p.stop()
	c := cut(t, r.cfg.Addr, 0, 0)
	r.cfg.Addr = c.Addr().String()
	r.cfg.Heartbeat = 100 * time.Millisecond
	p = r.tap(p.resume())
	r.exec("insert into people values (1,'a',null)")
	p.next()
	c.freeze()
	defer c.thaw()
	r.exec("insert into people values (2,'b',null)")
	want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL") // by another connection
}
