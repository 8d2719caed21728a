package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// CheckPeers looks at what the servers that a source names have to do with each
// other: those that may be read in each other's place, and the replicas that its
// snapshots spare. What is wrong with a server of the first kind by itself,
// [Source.Check] says of each.
func (s *Source) CheckPeers(ctx context.Context) ([]Problem, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first *peer
	var list []*peer
	k := &check{s: s}
	for _, addr := range s.addrs {
		p, err := s.peer(ctx, addr)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil: // its own check says so
		case first == nil:
			first = p
		default:
			list = append(list, p)
		}
	}
	for _, p := range list {
		k.standby(p, first)
	}
	for _, addr := range s.cfg.Snapshot.Pace.Replicas {
		if err := k.spared(ctx, addr, first); err != nil {
			return nil, err
		}
	}
	return k.problems, nil
}

// peer is a server of a source, and whose transactions it has.
type peer struct {
	addr    string
	v       *server
	id      string            // server_id
	history map[string]uint64 // MySQL: servers; MariaDB: the last of domains and servers
	logs    bool              // what it replicates
	applies bool              // another server's log, now
}

func (s *Source) peer(ctx context.Context, addr string) (*peer, error) {
	c, err := s.dialTo(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	p := &peer{addr: addr, history: map[string]uint64{}}
	if p.v, err = ask(c); err != nil {
		return nil, s.explain(err)
	}
	for _, sid := range p.v.executed.sids {
		p.history[string(appendUUID(nil, sid.uuid))] = 0
	}
	if p.id, err = c.value("SELECT @@server_id"); err != nil {
		return nil, fmt.Errorf("asking %s for its server_id: %w", addr, err)
	}
	if p.applies, err = p.v.applies(c); err != nil {
		return nil, err
	}
	logs := "SELECT @@log_replica_updates"
	if p.v.maria || versionNumber(p.v.version) < 80026 {
		logs = "SELECT @@log_slave_updates"
	}
	on, err := c.value(logs)
	if err != nil {
		return nil, fmt.Errorf("asking %s whether it logs what it replicates: %w", addr, err)
	}
	p.logs = on == "1"
	if p.v.maria {
		// All that wrote, not the last of each domain alone.
		text, err := c.value("SELECT CONCAT(@@gtid_binlog_state, ',', @@gtid_slave_pos)")
		if err != nil {
			return nil, fmt.Errorf("asking %s whose transactions it has: %w", addr, err)
		}
		for id := range strings.SplitSeq(text, ",") {
			if g, err := parseGTID(true, id); err == nil {
				key := fmt.Sprintf("%d-%d", g.domain, g.server)
				p.history[key] = max(p.history[key], g.n)
			}
		}
	}
	return p, nil
}

// related says whether two servers have transactions of one origin, as far as
// they have any.
func (p *peer) related(o *peer) bool {
	if len(p.history) == 0 || len(o.history) == 0 {
		return true
	}
	for id := range p.history {
		if _, ok := o.history[id]; ok {
			return true
		}
	}
	return false
}

// errant are the transactions that were written on a replica, and that the
// server lacks which it is a replica of. Where that is itself a replica they may
// be on their way to it.
func (p *peer) errant(first *peer) string {
	if !p.applies || first.applies {
		return ""
	}
	if !p.v.maria {
		_, own, _ := strings.Cut(p.v.identity, ":")
		more := first.v.executed.missing(&p.v.executed)
		more.sids = slices.DeleteFunc(more.sids, func(d sid) bool { return string(appendUUID(nil, d.uuid)) != own })
		return more.String()
	}
	var more []string
	for key, n := range p.history {
		if strings.HasSuffix(key, "-"+p.id) && first.history[key] < n {
			more = append(more, fmt.Sprintf("%s-%d", key, n))
		}
	}
	slices.Sort(more)
	return strings.Join(more, ",")
}

// standby looks at a server that may be read in the place of the first.
func (k *check) standby(p, first *peer) {
	k.v = p.v
	switch {
	case p.v.maria != first.v.maria:
		k.problem("failover-kind", fmt.Sprintf("%s is %s and %s is %s: no position of the one holds on the other", p.addr, p.v.version, first.addr, first.v.version),
			"take one of them out of addresses")
		return
	case p.v.identity == first.v.identity:
		k.warning("failover-same", fmt.Sprintf("%s and %s are one server: the source has no other to be read", p.addr, first.addr), "name a replica in addresses")
		return
	case !p.v.gtid || !first.v.gtid:
		k.problem("failover-ids", fmt.Sprintf("%s or %s runs without transaction ids: a failover between them makes all tables be read again", p.addr, first.addr),
			"SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode = OFF_PERMISSIVE; SET PERSIST gtid_mode = ON_PERMISSIVE; SET PERSIST gtid_mode = ON; -- on each")
	case !p.related(first):
		k.problem("failover-foreign", fmt.Sprintf("%s has no transaction of %s, nor the other way: they are servers of different databases", p.addr, first.addr), "correct addresses")
	case p.errant(first) != "":
		k.warning("failover-errant", fmt.Sprintf("%s has transactions of its own that %s lacks (%s): after a failover rows that they changed may be read or not", p.addr, first.addr, p.errant(first)),
			"see what they changed (mysqlbinlog), undo it there, and set the replica to read_only; or make it anew from a copy")
	}
	if p.id == first.id {
		k.problem("failover-server-id", fmt.Sprintf("%s and %s both have server_id %s: replicas pass over what they take for their own, and whose a transaction is cannot be told", p.addr, first.addr, p.id),
			"another server_id in the file of one of them, section [mysqld]; then restart it")
	}
	if !p.logs {
		k.problem("failover-log", fmt.Sprintf("%s does not log what it replicates: its log lacks what %s wrote", p.addr, first.addr),
			"log_slave_updates = ON in the server's file, section [mysqld] (MySQL: log_replica_updates); then restart it")
	}
}

// spared looks at a replica whose lag the snapshot watches.
func (k *check) spared(ctx context.Context, addr string, first *peer) error {
	p, err := k.s.peer(ctx, addr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		k.problem("replica-unreachable", fmt.Sprintf("the replica %s cannot be asked, and the snapshot waits until it can: %v", addr, err), "correct snapshot.replicas, or let the user in there")
		return nil
	}
	if first != nil && (p.v.maria != first.v.maria || !p.related(first)) {
		k.problem("replica-foreign", fmt.Sprintf("%s has no transaction of %s: it is no replica of it", addr, first.addr), "correct snapshot.replicas")
		return nil
	}
	c, err := k.s.dialTo(ctx, addr)
	if err != nil {
		return err
	}
	defer c.close()
	w, err := (&pacer{s: k.s, p: &k.s.cfg.Snapshot.Pace}).behind(c, addr)
	right := "REPLICATION CLIENT"
	if p.v.maria {
		right = "REPLICA MONITOR"
	}
	switch {
	case serverCode(err) != 0:
		k.problem("grant-missing", "the user may not see how far the replica "+addr+" is behind, and the snapshot waits until it may",
			"GRANT "+right+" ON *.* TO "+text(k.s.cfg.User)+"@'%';")
	case err != nil:
		return fmt.Errorf("asking %s how far it is behind: %w", addr, err)
	case w.reason != "":
		k.warning("replica-behind", "a snapshot that began now would wait "+w.text, "START REPLICA; -- if it stands still")
	}
	return nil
}
