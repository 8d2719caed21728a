package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
)

// serverHalts are the halts that speak of the server that is asked, not of what
// its log holds: another one of the same source may be read.
var serverHalts = []string{HaltAccess, HaltTLS, HaltPurged, HaltServer, HaltForeign, HaltErrant, HaltHistory, HaltGTIDOff, HaltBinlogOff, HaltStuck}

// behind is a server that lacks transactions that were read, and is still
// applying another server's: it may have them before long. It is no halt yet.
type behind struct{ halt *cdc.Halt }

func (b *behind) Error() string {
	return "the server has not caught up with what was read, and is waited for: " + b.halt.Text
}

// round is one pass over the servers of a source, from the one that was read
// last on.
type round struct {
	answers []string // what was wrong with each, so far
	refused *cdc.Halt
	late    *behind
	away    error
}

// failed notes why a server cannot be read, and turns to the next one. Over says
// that all have been asked.
func (st *stream) failed(r *round, err error) (over bool) {
	s := st.s
	at := s.addr()
	switch b, late := err.(*behind); {
	case late:
		r.late = b
	case cdc.HaltCode(err) != "":
		if h, ok := haltOf(err); ok && r.refused == nil {
			r.refused = h
		}
	default:
		r.away = err
	}
	r.answers = append(r.answers, at+": "+err.Error())
	s.turn.Store((s.turn.Load() + 1) % int32(len(s.addrs)))
	if len(r.answers) == len(s.addrs) {
		return true
	}
	st.log.Warn("the server cannot be read; trying the next one", "source", s.cfg.Name, "server", at, "next", s.addr(), "err", err.Error())
	return false
}

// reach connects to the first of the servers whose log holds the position, and
// finds it there, for one question about that log. Who calls it closes st.side.
func (st *stream) reach(ctx context.Context) (from origin, err error) {
	for r := new(round); ; {
		if st.side, err = st.s.dial(ctx); err == nil {
			if st.v, err = ask(st.side); err == nil {
				from, err = st.locate(ctx)
			}
			if err == nil {
				return from, nil
			}
			st.side.close()
			err = st.s.explain(err)
		}
		if _, ok := haltOf(err); ctx.Err() != nil || cdc.HaltCode(err) != "" && !ok {
			return from, err
		}
		if !st.failed(r, err) {
			continue
		}
		switch {
		case r.late != nil:
			return from, st.joined(r, r.late.halt)
		case r.refused != nil:
			return from, st.joined(r, r.refused)
		case len(st.s.addrs) == 1:
			return from, r.away
		}
		return from, fmt.Errorf("none of the source's %d servers answers: %s", len(st.s.addrs), strings.Join(r.answers, "; "))
	}
}

// verdict is the error that ends the stream after a round, or nil if the next
// round may find a server.
func (st *stream) verdict(r *round, now time.Time) error {
	if r.late == nil {
		st.late = time.Time{}
	} else if st.late.IsZero() {
		st.late = now
	}
	if r.late != nil {
		waited := now.Sub(st.late)
		st.s.metrics.behind.Set(waited.Seconds())
		if waited < st.s.cfg.Catchup {
			return nil
		}
		return st.joined(r, &cdc.Halt{Code: r.late.halt.Code, Text: fmt.Sprintf("%s; waited %s for it", r.late.halt.Text, waited.Round(time.Second))})
	}
	silent := now.Sub(st.heard)
	if st.stuck.times > 0 { // one answers, and cannot be read
		silent = now.Sub(st.stuck.since)
	}
	if r.away != nil && silent <= st.s.cfg.Patience {
		return nil
	} else if r.refused == nil {
		return fmt.Errorf("out of reach for %s: %w", silent.Round(time.Second), r.away)
	}
	return st.joined(r, r.refused)
}

// joined says of each server what is wrong with it, where there are several.
func (st *stream) joined(r *round, h *cdc.Halt) error {
	if len(st.s.addrs) == 1 {
		return h
	}
	return cdc.Haltf(h.Code, "none of the source's %d servers can be read: %s", len(st.s.addrs), strings.Join(r.answers, "; "))
}

// haltOf is the halt in err, if it is one of the server's.
func haltOf(err error) (*cdc.Halt, bool) {
	for e := err; e != nil; {
		if h, ok := e.(*cdc.Halt); ok {
			return h, slices.Contains(serverHalts, h.Code)
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			break
		}
		e = u.Unwrap()
	}
	return nil, false
}

// lacking says that the server lacks transactions that were read: for good, or
// because it is a replica that has not come to them.
func (st *stream) lacking(pos, missing *gtidSet) error {
	halt := ahead(&st.v.executed, pos, missing)
	if halt.Code != HaltErrant && !st.v.executed.isZero() {
		return halt
	}
	applies, err := st.v.applies(st.side)
	if err != nil {
		return err
	}
	if applies {
		return &behind{halt}
	}
	return halt
}

// moved tells that another server is read from now on, and names what it has
// that the old one is not known to have had: transactions of servers that were
// never heard of. They are read like any other, because their rows are there.
func (st *stream) moved() {
	p, v := &st.f.pos, st.v
	args := []any{"source", st.s.cfg.Name, "address", st.s.addr(), "was", p.server, "is", v.identity}
	if more := p.set.missing(&v.executed); !more.isZero() {
		args = append(args, "more", more.String())
		if errant := more.strangers(&p.set); !errant.isZero() {
			args = append(args, "of_servers_unknown", errant.String())
		}
	}
	st.log.Warn("the source is another server, and its log holds what was read; going on there", args...)
	p.server, p.at = v.identity, place{}
}

// strangers are the transactions of s that were written by servers of which
// there is none in o.
func (s *gtidSet) strangers(o *gtidSet) gtidSet {
	out := gtidSet{maria: s.maria}
	for _, d := range s.sids {
		if !slices.ContainsFunc(o.sids, func(k sid) bool { return k.uuid == d.uuid }) {
			out.sids = append(out.sids, d)
		}
	}
	for _, d := range s.domains {
		if !slices.ContainsFunc(o.domains, func(k gtid) bool { return k.server == d.server }) {
			out.domains = append(out.domains, d)
		}
	}
	return out
}

// kicked says whether to come back after another reader took our id. One that
// takes over from us does that once, and we end within moments; two that both go
// on would kick each other out for ever.
func (st *stream) kicked(now time.Time) (again bool) {
	const pause, most = time.Minute, 5 * time.Second
	if now.Sub(st.kicks[1]) > pause {
		st.kicks[0] = now
	}
	st.kicks[1] = now
	return now.Sub(st.kicks[0]) < most
}
