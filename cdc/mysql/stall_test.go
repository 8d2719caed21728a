package mysql

import (
	"net"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// What answers and says nothing is given up, and the next server is read.
func TestMuteServer(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "silent-server", "one that accepts and says nothing is given up after ten seconds, and tried again or passed by")
	r := newRig(t, maria, people+"InnoDB", "people")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	accepted := make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			accepted <- struct{}{}
		}
	}()
	r.cfg.Others, r.cfg.Addr = []string{r.cfg.Addr}, l.Addr().String()
	p := r.tap(cdc.Resume{})
	p.loaded()
	r.exec("insert into people values (1,'a',null)")
	want(t, show(t, p.next()), "c people 1: id=1 name=a note=NULL")
	if len(accepted) == 0 {
		t.Error("the mute one was not asked")
	}
}

// A server may take longer to find the position than three heartbeats: it is not
// asked again meanwhile, which would make it begin anew for ever.
func TestSlowSeek(t *testing.T) {
	faults.Shows(t, "reconnect-slow-seek", "is waited for up to two minutes without a sign of life, and asked once")
	each(t, func(t *testing.T, k kind) {
		r, p := started(t, k, people+"InnoDB", "people")
		r.exec("insert into people values (1,'a',null)")
		p.next()
		p.stop()
		c := cut(t, r.cfg.Addr, 0, 0)
		c.seek = 1500 * time.Millisecond
		r.cfg.Addr = c.Addr().String()
		p = r.tap(p.resume())
		r.exec("insert into people values (2,'b',null)")
		want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL")
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.dumps != 2 { // the transaction before the position, and the stream
			t.Errorf("the server was asked %d times for its log", c.dumps)
		}
	})
}

// The server closes the connections that a stream keeps for its questions and
// its reads: they are opened again when they are needed.
func TestSideConnectionsClosed(t *testing.T) {
	faults.Shows(t, "side-connection-closed", "is opened again: a table that is read afterwards comes whole, once")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; create table other (id int primary key, j json)", "people", "other")
		user := "side" + r.name
		must(t, r.db.Exec("create user "+user+"@'%' identified by 'r'"))
		r.cfg.User, r.cfg.Password = user, "r"
		s, err := New(r.cfg)
		must(t, err)
		for _, grant := range s.Grants(k.name == "mariadb") {
			must(t, r.db.Exec(grant))
		}
		p := r.tap(cdc.Resume{})
		p.loaded()
		r.exec("insert into people values (1,'a',null)")
		p.next()

		rows, err := r.sql.Query("select id from information_schema.processlist where user = ? and command = 'Sleep'", user)
		must(t, err)
		var ids []string
		for rows.Next() {
			var id string
			must(t, rows.Scan(&id))
			ids = append(ids, id)
		}
		must(t, rows.Err())
		if len(ids) == 0 {
			t.Fatal("the stream keeps no connection")
		}
		for _, id := range ids {
			must(t, r.db.Exec("kill "+id))
		}
		r.exec("drop table other; create table other (id int primary key, j json); insert into other values (1, '[]')")
		if k.name == "mysql-file" || k.name == "mysql" {
			must(t, r.db.Exec("grant select on "+r.name+".other to "+user+"@'%'"))
		}
		var got []string
		for len(got) == 0 || p.loads[r.id("other")].Phase != cdc.LoadDone {
			got = append(got, show(t, p.next())...)
		}
		if n := strings.Count(strings.Join(got, "\n"), " other 1:"); n == 0 || n > 2 || got[0] != "epoch drop other" {
			t.Errorf("after the connections were closed: %v", got)
		}
		r.exec("insert into people values (2,'b',null)")
		want(t, show(t, p.next()), "c people 2: id=2 name=b note=NULL")
	})
}

// ended is why the stream ended, nil if it goes on.
func (p *tap) ended() error {
	for {
		select {
		case _, ok := <-p.txns:
			if !ok {
				return p.err
			}
		default:
			return nil
		}
	}
}

// Two readers with one id: MariaDB lets the newer end the older, over and over.
func TestServerIDTaken(t *testing.T) {
	faults.Shows(t, "server-id-taken", "on MariaDB, where readers of one id end each other, one halts with server-id-taken; on MySQL readers are told apart by their uuid, and both go on")
	byID(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB", "people")
		r.cfg.ServerID = 7_654_321
		a := r.tap(cdc.Resume{})
		a.loaded()
		b := r.tap(a.resume())
		r.exec("insert into people values (1,'a',null)")
		want(t, show(t, b.next()), "c people 1: id=1 name=a note=NULL")
		if k.name == "mysql" {
			want(t, show(t, a.next()), "c people 1: id=1 name=a note=NULL")
			return
		}
		deadline := time.Now().Add(2 * patience)
		for ; time.Now().Before(deadline) && cdc.HaltCode(a.ended()) == "" && cdc.HaltCode(b.ended()) == ""; time.Sleep(50 * time.Millisecond) {
		}
		if c := cdc.HaltCode(a.ended()) + cdc.HaltCode(b.ended()); !strings.Contains(c, HaltServerID) {
			t.Errorf("halts %q: %v, %v", c, a.ended(), b.ended())
		}
	})
}
