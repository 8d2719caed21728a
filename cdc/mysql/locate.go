package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chartwire/cdc"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// locate finds where this server's log is to be read from, and makes sure that
// it is the log that the position is of: the server's identity, the executed
// ids, and the last transaction before the position, which is read again.
func (st *stream) locate(ctx context.Context) (origin, error) {
	v := st.v
	st.f = follower{maria: v.maria, lower: v.lower, checksummed: v.sums, tables: newTables(st.selected), payload: st.f.payload, most: st.s.cfg.maxEvent()}
	st.f.payload.most = st.f.most
	if !v.binlog {
		return origin{}, cdc.Haltf(HaltBinlogOff, "the server writes no binlog; start it with log_bin on")
	}
	var from, check origin
	var err error
	if st.done.Position.IsZero() {
		from, err = st.start()
	} else {
		from, check, err = st.resume()
	}
	if err != nil {
		return origin{}, err
	}
	st.f.at = from.at
	start := from.at
	if from.at.isZero() {
		if start, err = v.logEnd(st.side); err != nil {
			return origin{}, err
		}
		st.f.exactFrom = start
	}
	if st.done.Position.IsZero() {
		if err := st.undecided(ctx, start); err != nil {
			return origin{}, err
		}
		return from, st.checkTables()
	}
	if err := st.verify(ctx, check); err != nil {
		return origin{}, err
	}
	if st.elsewhere = st.f.pos.server != v.identity; st.elsewhere {
		st.moved()
	} else if err := st.ends(); err != nil {
		return origin{}, err
	}
	return from, st.checkTables()
}

// start is the newest transaction's end.
func (st *stream) start() (origin, error) {
	p := &st.f.pos
	p.server, p.byID = st.v.identity, st.v.gtid
	if !st.v.maria && st.v.gtid && !st.v.executed.isZero() {
		p.set = st.v.executed.clone()
		p.text = p.set.String()
		return origin{set: p.set}, nil
	}
	at, err := st.v.logEnd(st.side)
	if err != nil {
		return origin{}, err
	}
	p.at = at
	p.set.maria = st.v.maria
	if st.v.maria { // the ids up to exactly this place
		if p.set, err = st.idsAt(at); err != nil {
			return origin{}, err
		}
		p.text = p.set.String()
	}
	return origin{at: at}, nil
}

// resume gives where to go on, and where the last transaction can be read again.
func (st *stream) resume() (from, check origin, err error) {
	v := st.v
	pos, err := parsePosition(v.maria, st.done.Position)
	if err != nil {
		return from, check, &cdc.Halt{Code: HaltForeign, Text: "the position is not one of this kind of server", Err: err}
	}
	pos.set.maria = v.maria
	fresh := pos.last == (cdc.Fingerprint{}) // no transaction since a start on an empty log
	pos.byID = pos.byID || v.gtid && fresh
	st.f.pos = pos
	switch {
	case !pos.byID:
		return st.resumePlace()
	case v.maria:
		return st.resumeMaria()
	}
	if !v.gtid {
		return from, check, cdc.Haltf(HaltGTIDOff, "the position is by transaction ids, and the server now runs without them; run SET GLOBAL gtid_mode=ON step by step, or load the tables again")
	}
	if pos.set.isZero() {
		return st.resumePlace()
	}
	if missing := v.executed.missing(&pos.set); !missing.isZero() {
		return from, check, st.lacking(&pos.set, &missing)
	}
	if missing := pos.set.missing(&v.purged); !missing.isZero() {
		return from, check, cdc.Haltf(HaltPurged, "the server has deleted the transactions %s from its log before they were read; load the tables again", missing.String())
	}
	from.set = pos.set
	if last, err := parseGTID(false, pos.last.GTID); err == nil && !v.purged.has(last) {
		check.set = v.executed.clone()
		check.set.remove(last)
		check.all = check.set.isZero() // it is the log's first
	}
	return from, check, nil
}

// ahead says that the server lacks transactions that were read.
func ahead(have, pos, missing *gtidSet) *cdc.Halt {
	for _, d := range pos.sids {
		for _, h := range have.sids {
			if d.uuid == h.uuid {
				return cdc.Haltf(HaltErrant, "the transactions %s were read, and this server never had them: a failover lost them, or the server was restored; decide which is right, then load the tables again", missing.String())
			}
		}
	}
	for _, d := range pos.domains {
		for _, h := range have.domains {
			if d.domain == h.domain {
				return cdc.Haltf(HaltErrant, "the transactions up to %s were read, and this server's log ends at %s: a failover lost some, or the log was reset; decide which is right, then load the tables again", pos.String(), have.String())
			}
		}
	}
	return cdc.Haltf(HaltForeign, "nothing of the position %s was ever executed by this server: it is another database's", pos.String())
}

// resumePlace goes on at a file and offset, which only the same server has.
func (st *stream) resumePlace() (from, check origin, err error) {
	p := &st.f.pos
	if p.server != st.v.identity {
		return from, check, cdc.Haltf(HaltServer, "the position %s is of the server %s, this one is %s, and a file and offset mean nothing there; connect to the old one, or load the tables again", p.at, p.server, st.v.identity)
	}
	files, err := logs(st.side)
	if err != nil {
		return from, check, err
	}
	if err := findPlace(files, p.at); err != nil {
		return from, check, err
	}
	if p.last.Start > 0 {
		check.at = place{p.at.file, p.last.Start}
	}
	return origin{at: p.at}, check, nil
}

// findPlace looks for a place among the files that the server has.
func findPlace(files []place, at place) error {
	for _, f := range files {
		if f.file != at.file {
			continue
		}
		if at.offset > f.offset {
			return cdc.Haltf(HaltForeign, "the position is %s, and that file ends at %d: the log was reset, or the server is another; load the tables again", at, f.offset)
		}
		return nil
	}
	if len(files) > 0 && at.compare(files[0]) < 0 {
		return cdc.Haltf(HaltPurged, "the position is %s, and the oldest file that the server still has is %s; load the tables again", at, files[0].file)
	}
	return cdc.Haltf(HaltForeign, "the position is %s, and the server has no such file: its log was reset, or it is another; load the tables again", at)
}

// resumeMaria goes on at the place where it is still there, because that is
// exact and needs no search, and otherwise by ids.
func (st *stream) resumeMaria() (from, check origin, err error) {
	p, v := &st.f.pos, st.v
	from.set, from.hole, check.hole = p.set, p.last.Sum == 0, true
	missing := v.executed.missing(&p.set)
	if from.hole { // what the position ends with may have been empty
		missing = v.applied.missing(&missing)
	}
	if !missing.isZero() {
		return from, check, st.lacking(&p.set, &missing)
	}
	if check.set, err = parseGTIDs(true, p.last.Before); err != nil {
		return from, check, err
	}
	files, err := logs(st.side)
	if err != nil {
		return from, check, err
	}
	if p.server != v.identity {
		return from, check, st.older(files)
	}
	if err := findPlace(files, p.at); err == nil {
		from = origin{at: p.at}
		if p.last.Start > 0 {
			return from, origin{at: place{p.at.file, p.last.Start}}, nil
		}
		return from, origin{}, st.compareIDs()
	} else if p.set.isZero() {
		return from, check, err
	}
	return from, check, st.older(files)
}

// older sees to a position whose last transaction is in a file that is gone,
// while all that follows it is still there: there is nothing to read again then,
// and the ids that the oldest file begins behind are what the log is recognised
// by.
func (st *stream) older(files []place) error {
	p := &st.f.pos
	last, err := parseGTID(true, p.last.GTID)
	if err != nil || p.last.Sum == 0 || len(files) == 0 {
		return nil // it is looked for
	}
	before, err := st.idsBefore(files[0].file)
	if err != nil || !before.has(last) {
		return err
	}
	if lost := p.set.missing(&before); !lost.isZero() {
		return cdc.Haltf(HaltPurged, "the oldest file that the server still has begins behind %s, and the log was read up to %s; load the tables again", before.String(), p.text)
	}
	for _, d := range before.domains {
		if i := slices.IndexFunc(p.set.domains, func(o gtid) bool { return o.domain == d.domain }); p.set.domains[i].n == d.n && p.set.domains[i] != d {
			return cdc.Haltf(HaltHistory, "the oldest file that the server still has begins behind %s, and the transactions that were read are %s: the log was reset or the server restored; load the tables again", before.String(), p.text)
		}
	}
	p.last.Sum = 0
	return nil
}

// compareIDs asks for the ids up to the position's place: where the last
// transaction is in an older file, which may be gone, that is what is left to
// recognise the log by.
func (st *stream) compareIDs() error {
	p := &st.f.pos
	ids, err := st.idsAt(p.at)
	if err != nil {
		return err
	}
	if have := ids.String(); have != p.text {
		return cdc.Haltf(HaltHistory, "at %s the server's log has come to the transactions %s, and what was read up to there to %s: the log was reset or the server restored; load the tables again", p.at, have, p.text)
	}
	p.last.Sum = 0 // nothing to read again
	return nil
}

func (st *stream) idsAt(at place) (gtidSet, error) {
	ids, err := st.side.value(fmt.Sprintf("SELECT IFNULL(BINLOG_GTID_POS(%s, %d), '')", text(at.file), at.offset))
	if err != nil {
		return gtidSet{}, fmt.Errorf("asking for the ids at %s: %w", at, err)
	}
	return parseGTIDs(true, ids)
}

// idsBefore are the ids of what is in older files than this one, which its
// second or third event says.
func (st *stream) idsBefore(file string) (gtidSet, error) {
	set := gtidSet{maria: st.v.maria}
	rows, err := st.side.query("SHOW BINLOG EVENTS IN " + text(file) + " LIMIT 4")
	if err != nil {
		return set, fmt.Errorf("asking what is before %s: %w", file, err)
	}
	for _, row := range rows {
		if len(row) < 6 || row[2] != "Previous_gtids" && row[2] != "Gtid_list" {
			continue
		}
		info := strings.Clone(strings.Trim(row[5], "[]"))
		if !set.maria {
			return parseGTIDs(false, info)
		}
		// The ids of all servers by domain, the last of each last.
		for id := range strings.SplitSeq(info, ",") {
			if id = strings.TrimSpace(id); id == "" {
				continue
			}
			one, err := parseGTID(true, id)
			if err != nil {
				return set, fmt.Errorf("reading what is before %s: %w", file, err)
			}
			set.add(one)
		}
	}
	return set, nil
}

// verify reads the last transaction before the position again, and compares.
func (st *stream) verify(ctx context.Context, at origin) error {
	want := st.f.pos.last
	if at.at.isZero() && at.set.isZero() && !at.all && !st.v.maria || want.Sum == 0 {
		return nil // there was none yet, or it is no longer in the log
	}
	ctx, cancel := context.WithTimeout(ctx, seekTimeout)
	defer cancel()
	end, err := st.v.logEnd(st.side)
	if err != nil {
		return err
	}
	got, err := st.firstTransaction(ctx, at, end)
	if code := cdc.HaltCode(err); serverCode(err) == gomysql.ER_MASTER_FATAL_ERROR_READING_BINLOG && code == "" || code == HaltDamaged {
		return &cdc.Halt{Code: HaltHistory, Text: fmt.Sprintf("where the transaction before the position was (%s at %s), the log now holds something else; load the tables again", want.GTID, st.f.pos.at), Err: err}
	}
	if err != nil {
		return err
	}
	if !sameTransaction(got, want) {
		return cdc.Haltf(HaltHistory, "the transaction before the position (%s at %s) is another than the one that was read: the log was reset or the server restored from elsewhere; load the tables again", want.GTID, st.f.pos.at)
	}
	return nil
}

// firstTransaction reads from where a dump starts to the end of the transaction
// that the position ends with. A heartbeat at the log's end says that it is not
// there; before that it says that the server is passing over transactions.
func (st *stream) firstTransaction(ctx context.Context, at origin, end place) (got cdc.Fingerprint, err error) {
	want := st.f.pos.last
	f := st.observer(at.at, position{byID: st.f.pos.byID, set: gtidSet{maria: st.v.maria}})
	f.still = func() error {
		if f.at.compare(end) < 0 {
			return nil
		}
		return cdc.Haltf(HaltHistory, "the transaction before the position (%s at %s) is no longer in the log; load the tables again", want.GTID, st.f.pos.at)
	}
	f.ended = func(bool) error {
		// Transactions of other domains may stand between on another server.
		if st.v.maria && !at.at.isZero() || !st.v.maria || f.g.id.domain == domainOf(want.GTID) {
			got = f.pos.last
			if !at.at.isZero() && f.at.compare(st.f.pos.at) > 0 {
				return cdc.Haltf(HaltForeign, "the position %s is inside the transaction before it, which ends at %s: no capture left off there; load the tables again", st.f.pos.at, f.at)
			}
			return errEnough
		}
		return nil
	}
	if err := st.pass(ctx, at, f.follow); err != nil {
		return got, fmt.Errorf("looking for the transaction before the position: %w", err)
	}
	return got, nil
}

func domainOf(id string) uint32 {
	g, _ := parseGTID(true, id)
	return g.domain
}

// erSameID is MariaDB's error for a reader whose id another one came with.
const erSameID = 4052

// lost says what the end of a dump means.
func (st *stream) lost(err error) error {
	var o *oversize
	if errors.As(err, &o) {
		return st.f.tooLarge(o)
	}
	if code := serverCode(err); code != gomysql.ER_MASTER_FATAL_ERROR_READING_BINLOG && code != erSameID {
		return st.s.explain(err)
	}
	message := strings.ToLower(err.Error())
	has := func(s string) bool { return strings.Contains(message, s) }
	where := st.done.Position.String()
	switch {
	case has("could not find first log file"), has("purged"):
		return &cdc.Halt{Code: HaltPurged, Text: "the log no longer holds what follows " + where + "; load the tables again", Err: err}
	case has("same server_uuid/server_id"), has("same server_id"):
		return &cdc.Halt{Code: HaltServerID, Text: fmt.Sprintf("another replica or reader of this server uses the id %d too; give one of them another", st.s.cfg.ServerID), Err: err}
	case has("bogus data"), has("exceeded max_allowed_packet"), has("truncated in the middle"), has("checksum verification failed"), has("corrupt"):
		return &cdc.Halt{Code: HaltDamaged, Text: "the server cannot read its own log behind " + where + "; name a replica whose log is whole, or load the tables again", Err: err}
	case has("impossible position"), has("position > file size"), has("not in the master's binlog"), has("diverged"):
		return &cdc.Halt{Code: HaltForeign, Text: "the server's log does not hold the place " + where + "; load the tables again", Err: err}
	}
	return err
}
