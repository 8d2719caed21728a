package mysql

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// gtid names one transaction: by uuid, tag and number on MySQL, by domain,
// server and number on MariaDB.
type gtid struct {
	uuid   [16]byte
	tag    string
	domain uint32
	server uint32
	n      uint64
}

// gtidSet is which transactions a log holds up to a place. On MySQL a set of
// ranges, on MariaDB the last id of each domain. The zero value of the right
// flavour is the start of all logs.
type gtidSet struct {
	maria   bool
	sids    []sid  // MySQL, by uuid and tag
	domains []gtid // MariaDB, by domain
}

type sid struct {
	uuid  [16]byte
	tag   string
	spans []span // growing, with gaps between
}

type span struct{ lo, hi uint64 } // both are in it

// parseGTIDs reads what String writes, and what servers print.
func parseGTIDs(maria bool, text string) (gtidSet, error) {
	s := gtidSet{maria: maria}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		parse := s.parseSid
		if maria {
			parse = s.parseDomain
		}
		if err := parse(part); err != nil {
			return gtidSet{}, err
		}
	}
	return s, nil
}

func (s *gtidSet) parseDomain(part string) error {
	f := strings.Split(part, "-")
	if len(f) != 3 {
		return fmt.Errorf("transaction id %q is not domain-server-number", part)
	}
	domain, err1 := strconv.ParseUint(f[0], 10, 32)
	server, err2 := strconv.ParseUint(f[1], 10, 32)
	n, err3 := strconv.ParseUint(f[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return fmt.Errorf("transaction id %q is not domain-server-number", part)
	}
	for _, d := range s.domains {
		if d.domain == uint32(domain) {
			return fmt.Errorf("transaction ids name domain %d twice", domain)
		}
	}
	s.add(gtid{domain: uint32(domain), server: uint32(server), n: n})
	return nil
}

func (s *gtidSet) parseSid(part string) error {
	f := strings.Split(part, ":")
	uuid, err := parseUUID(strings.TrimSpace(f[0]))
	if err != nil {
		return err
	}
	if len(f) == 1 {
		return fmt.Errorf("transaction ids of %q name no number", f[0])
	}
	tag, numbers := "", 0
	for _, t := range f[1:] {
		t = strings.TrimSpace(t)
		if isTag(t) {
			if tag != "" && numbers == 0 {
				return fmt.Errorf("tag %q of %q has no number", tag, f[0])
			}
			tag, numbers = t, 0
			continue
		}
		lo, hi, ok := strings.Cut(t, "-")
		from, err1 := strconv.ParseUint(strings.TrimSpace(lo), 10, 63)
		to := from
		var err2 error
		if ok {
			to, err2 = strconv.ParseUint(strings.TrimSpace(hi), 10, 63)
		}
		if err1 != nil || err2 != nil || from == 0 || to < from {
			return fmt.Errorf("range %q of %q is not from-to", t, f[0])
		}
		numbers++
		s.addSpan(uuid, tag, span{from, to})
	}
	if numbers == 0 {
		return fmt.Errorf("tag %q of %q has no number", tag, f[0])
	}
	return nil
}

func isTag(t string) bool {
	if t == "" || len(t) > 32 || t[0] >= '0' && t[0] <= '9' {
		return false
	}
	for i := range len(t) {
		c := t[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func parseUUID(t string) (u [16]byte, err error) {
	h := strings.ReplaceAll(t, "-", "")
	if len(h) != 32 {
		return u, fmt.Errorf("server id %q is no uuid", t)
	}
	if _, err := hex.Decode(u[:], []byte(h)); err != nil {
		return u, fmt.Errorf("server id %q is no uuid", t)
	}
	return u, nil
}

func appendUUID(b []byte, u [16]byte) []byte {
	var t [36]byte
	hex.Encode(t[:8], u[:4])
	hex.Encode(t[9:13], u[4:6])
	hex.Encode(t[14:18], u[6:8])
	hex.Encode(t[19:23], u[8:10])
	hex.Encode(t[24:], u[10:])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return append(b, t[:]...)
}

func (s *gtidSet) isZero() bool { return len(s.sids) == 0 && len(s.domains) == 0 }

func (s *gtidSet) clone() gtidSet {
	c := gtidSet{maria: s.maria, sids: slices.Clone(s.sids), domains: slices.Clone(s.domains)}
	for i := range c.sids {
		c.sids[i].spans = slices.Clone(c.sids[i].spans)
	}
	return c
}

// add puts one transaction in. On MariaDB it becomes the last of its domain.
func (s *gtidSet) add(g gtid) {
	if !s.maria {
		s.addSpan(g.uuid, g.tag, span{g.n, g.n})
		return
	}
	i, ok := slices.BinarySearchFunc(s.domains, g.domain, func(d gtid, n uint32) int { return cmp.Compare(d.domain, n) })
	if ok {
		s.domains[i] = g
	} else {
		s.domains = slices.Insert(s.domains, i, g)
	}
}

func (s *gtidSet) find(uuid [16]byte, tag string) (int, bool) {
	return slices.BinarySearchFunc(s.sids, sid{uuid: uuid, tag: tag}, func(a, b sid) int {
		return cmp.Or(slices.Compare(a.uuid[:], b.uuid[:]), cmp.Compare(a.tag, b.tag))
	})
}

func (s *gtidSet) addSpan(uuid [16]byte, tag string, add span) {
	i, ok := s.find(uuid, tag)
	if !ok {
		s.sids = slices.Insert(s.sids, i, sid{uuid: uuid, tag: tag, spans: []span{add}})
		return
	}
	d := &s.sids[i]
	if last := &d.spans[len(d.spans)-1]; add.lo == last.hi+1 { // nearly always
		last.hi = add.hi
		return
	}
	d.spans = append(d.spans, add)
	slices.SortFunc(d.spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	out := d.spans[:1]
	for _, sp := range d.spans[1:] {
		if last := &out[len(out)-1]; sp.lo <= last.hi+1 {
			last.hi = max(last.hi, sp.hi)
		} else {
			out = append(out, sp)
		}
	}
	d.spans = out
}

// remove takes one transaction out of a MySQL set.
func (s *gtidSet) remove(g gtid) {
	i, ok := s.find(g.uuid, g.tag)
	if !ok {
		return
	}
	var out []span
	for _, sp := range s.sids[i].spans {
		if g.n < sp.lo || g.n > sp.hi {
			out = append(out, sp)
			continue
		}
		if sp.lo < g.n {
			out = append(out, span{sp.lo, g.n - 1})
		}
		if g.n < sp.hi {
			out = append(out, span{g.n + 1, sp.hi})
		}
	}
	s.sids[i].spans = out
	if len(out) == 0 {
		s.sids = slices.Delete(s.sids, i, i+1)
	}
}

// has says whether the transaction is in the set: on MariaDB, whether its
// domain has come as far.
func (s *gtidSet) has(g gtid) bool {
	if s.maria {
		for _, d := range s.domains {
			if d.domain == g.domain {
				return d.n >= g.n
			}
		}
		return g.n == 0
	}
	i, ok := s.find(g.uuid, g.tag)
	return ok && s.sids[i].covers(span{g.n, g.n})
}

func (d *sid) covers(in span) bool {
	for _, sp := range d.spans {
		if sp.lo <= in.lo && in.hi <= sp.hi {
			return true
		}
	}
	return false
}

// missing returns what of o is not in s, empty if all of it is.
func (s *gtidSet) missing(o *gtidSet) gtidSet {
	out := gtidSet{maria: s.maria}
	for _, d := range o.domains {
		if !s.has(d) {
			out.add(d)
		}
	}
	for _, d := range o.sids {
		i, ok := s.find(d.uuid, d.tag)
		for _, sp := range d.spans {
			if !ok {
				out.addSpan(d.uuid, d.tag, sp)
				continue
			}
			for lo := sp.lo; lo <= sp.hi; {
				next := nextGap(s.sids[i].spans, lo)
				if next > sp.hi {
					break
				}
				end := min(sp.hi, nextStart(s.sids[i].spans, next)-1)
				out.addSpan(d.uuid, d.tag, span{next, end})
				lo = end + 1
			}
		}
	}
	return out
}

// nextGap is the first number from lo on that is in no span.
func nextGap(spans []span, lo uint64) uint64 {
	for _, sp := range spans {
		if sp.lo <= lo && lo <= sp.hi {
			lo = sp.hi + 1
		}
	}
	return lo
}

// nextStart is the start of the first span after lo.
func nextStart(spans []span, lo uint64) uint64 {
	for _, sp := range spans {
		if sp.lo > lo {
			return sp.lo
		}
	}
	return 1 << 63
}

func (s *gtidSet) String() string { return string(s.append(nil)) }

func (s *gtidSet) append(b []byte) []byte {
	for i, d := range s.domains {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.append(b, true)
	}
	for i := range s.sids {
		d := &s.sids[i]
		if i == 0 || s.sids[i-1].uuid != d.uuid {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendUUID(b, d.uuid)
		}
		if d.tag != "" {
			b = append(append(b, ':'), d.tag...)
		}
		for _, sp := range d.spans {
			b = strconv.AppendUint(append(b, ':'), sp.lo, 10)
			if sp.hi > sp.lo {
				b = strconv.AppendUint(append(b, '-'), sp.hi, 10)
			}
		}
	}
	return b
}

func (g gtid) append(b []byte, maria bool) []byte {
	if maria {
		b = strconv.AppendUint(b, uint64(g.domain), 10)
		b = strconv.AppendUint(append(b, '-'), uint64(g.server), 10)
		return strconv.AppendUint(append(b, '-'), g.n, 10)
	}
	b = appendUUID(b, g.uuid)
	if g.tag != "" {
		b = append(append(b, ':'), g.tag...)
	}
	return strconv.AppendUint(append(b, ':'), g.n, 10)
}

// parseGTID reads the id of one transaction.
func parseGTID(maria bool, text string) (gtid, error) {
	s, err := parseGTIDs(maria, text)
	if err != nil {
		return gtid{}, err
	}
	switch {
	case len(s.domains) == 1:
		return s.domains[0], nil
	case len(s.sids) == 1 && len(s.sids[0].spans) == 1 && s.sids[0].spans[0].lo == s.sids[0].spans[0].hi:
		return gtid{uuid: s.sids[0].uuid, tag: s.sids[0].tag, n: s.sids[0].spans[0].lo}, nil
	}
	return gtid{}, fmt.Errorf("%q is not the id of one transaction", text)
}
