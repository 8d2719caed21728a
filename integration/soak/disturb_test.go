package soak

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
)

// disturb lets one thing go wrong at a random moment, and mends it.
func (r *run) disturb() error {
	r.sleep(400)
	p := r.current
	if err := p.ended(); err != nil {
		return err
	}
	if r.own && r.d.IntN(2) == 0 {
		return r.breakServer()
	}
	proxy, side := p.db, "db"
	if r.d.IntN(2) == 0 {
		proxy, side = p.kafka, "kafka"
	}
	switch n := r.d.IntN(12); {
	case n < 3:
		r.count("kill")
		if p.cmd != nil {
			r.count("SIGKILL")
		}
		p.kill()
		return r.launch()
	case n < 4:
		r.count("stop")
		if err := p.stop(); err != nil {
			return err
		}
		return r.launch()
	case n < 5 && p.cmd != nil:
		r.count("SIGSTOP")
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		r.sleep(2500)
		return p.cmd.Process.Signal(syscall.SIGCONT)
	case n < 7:
		r.count(side + " cut")
		proxy.Stop()
		r.sleep(500)
		return proxy.Start()
	case n < 8:
		return r.toxic(proxy, side+" delayed", 600, fmt.Sprintf(`"type": "latency", "attributes": {"latency": %d, "jitter": %d}`, 2+r.d.IntN(60), 1+r.d.IntN(30)))
	case n < 9:
		return r.toxic(proxy, side+" stalled", 900, `"type": "timeout", "attributes": {"timeout": 0}`)
	case n < 10:
		return r.toxic(proxy, side+" cut after bytes", 600, fmt.Sprintf(`"type": "limit_data", "attributes": {"bytes": %d}`, 300+r.d.IntN(6000)))
	case n < 11:
		return r.toxic(proxy, side+" in slices", 500, `"type": "slicer", "attributes": {"average_size": 50, "size_variation": 30, "delay": 100}`)
	default:
		r.count("log rotated")
		return r.exec("flush binary logs")
	}
}

func (r *run) count(what string) {
	r.log("%s", what)
	r.world.counts.add(what, 1)
}

// sleep rests for up to a number of milliseconds.
func (r *run) sleep(most int) { time.Sleep(time.Duration(r.d.IntN(most*1000)) * time.Microsecond) }

// toxic spoils one direction of a road for a while.
func (r *run) toxic(p *toxiproxy.Proxy, what string, most int, toxic string) error {
	stream := []string{"upstream", "downstream"}[r.d.IntN(2)]
	r.count(what)
	text := fmt.Sprintf(`{"name": "it", "stream": %q, %s}`, stream, toxic)
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		return err
	}
	r.sleep(most)
	if err := p.Toxics.RemoveToxic(context.Background(), "it"); err != nil {
		return err
	}
	r.log("%s no more", what)
	return nil
}

// breakServer restarts the server, with or without a chance to say goodbye, or
// lets its replica take its place.
func (r *run) breakServer() error {
	kill := r.d.IntN(2) == 0
	if r.server.replica != nil && r.d.IntN(2) == 0 {
		r.writing.Lock()
		defer r.writing.Unlock()
		r.count("failover")
		if err := r.server.failover(kill); err != nil {
			return fmt.Errorf("failing over: %w", err)
		}
		if err := r.open(); err != nil {
			return err
		}
		r.log("the replica is the server")
		p := r.current.db
		return p.Update(&toxiproxy.Proxy{Listen: p.Listen, Upstream: r.server.db.Addr, Enabled: true})
	}
	if kill && (r.server.replica == nil || !r.server.kind.maria() && !r.myisam()) {
		r.count("server killed")
		r.killServer()
	} else {
		r.count("server restarted")
		r.server.db.Stop(patience)
	}
	r.sleep(300)
	if err := r.server.db.Start(); err != nil {
		return err
	}
	r.log("the server is back")
	return r.repair()
}

// repair does to tables without transactions what an operator does after a kill:
// not every one that is damaged is found so when it is opened.
func (r *run) repair() error {
	for _, t := range r.tables {
		if t.engine != "MyISAM" {
			continue
		}
		var name, op, kind, says string
		var err error
		for range 20 { // the pool has connections to the server that is no more
			if err = r.pool().QueryRow("check table "+t.name).Scan(&name, &op, &kind, &says); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			return fmt.Errorf("checking a table: %w", err)
		}
		if says == "OK" || strings.Contains(says, "doesn't exist") {
			continue
		}
		r.count("repaired")
		if err := r.surely("repair table " + t.name); err != nil {
			return err
		}
	}
	return nil
}

// killServer kills the server: amid DDL too, but for MyISAM's on MySQL, where a
// rebuild that is cut off may leave no table behind.
func (r *run) killServer() {
	if !r.server.kind.maria() && r.myisam() {
		r.altering.Lock()
		defer r.altering.Unlock()
	}
	r.server.db.Kill()
}

// myisam says whether a table has no transactions. A statement on such a one
// that is cut off is in the table and not in the log, and a replica differs.
func (r *run) myisam() bool {
	return slices.ContainsFunc(r.tables, func(t *table) bool { return t.engine == "MyISAM" })
}

// enough holds that what the test is for has happened.
func (w *world) enough(t *testing.T, runs uint64) {
	if runs < 100 || t.Failed() || os.Getenv("CHARTWIRE_REPEAT") != "" {
		return
	}
	for _, what := range []string{"kill", "SIGKILL", "stop", "db cut", "kafka cut", "db delayed", "kafka delayed", "db stalled", "kafka stalled",
		"db cut after bytes", "kafka cut after bytes", "server killed", "server restarted", "failover", "ddl", "XA", "rollbacks", "mariadb", "mysql", "mysql-file"} {
		if w.counts.of(what) == 0 {
			t.Errorf("%s never happened in %d runs", what, runs)
		}
	}
}
