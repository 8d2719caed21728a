package mysql

import (
	"context"
	"fmt"
	"time"

	"chartwire/cdc"
)

// Rewind is an earlier place in a source's log, and what would be read again
// from there.
type Rewind struct {
	From cdc.Position
	// First is when the first transaction was committed that would be read again.
	First time.Time
	// Files, Bytes and Transactions lie between From and where the log was read to.
	// The transactions, and the rows by captured table, are counted; behind
	// countedMost of the log they are estimated.
	Files        int
	Bytes        uint64
	Transactions int64
	Rows         map[cdc.TableID]int64
	Estimated    bool
	// Lost are the XA transactions that are committed behind From and were
	// prepared in files that the server no longer has: the capture would halt at
	// each.
	Lost []string
}

// countedMost is how much of the log is read to count what is in it.
const countedMost = 512 << 20

// Rewind finds a target in the log, behind which lies now, the position that the
// log was read to. Nothing is changed. A target that is no end of a transaction
// is refused with the nearest that are; one that is no longer in the log with
// the halt binlog-purged.
func (s *Source) Rewind(ctx context.Context, now cdc.Position, to Target) (*Rewind, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := &stream{s: s, log: s.cfg.Log, done: cdc.Checkpoint{Position: now}, selected: s.selected}
	if now.IsZero() {
		return nil, fmt.Errorf("rewinding %s: nothing of it was read", s.cfg.Name)
	}
	r := &rewinder{st: st, to: to}
	_, err := st.reach(ctx)
	if err == nil {
		defer st.side.close()
		r.now = st.f.pos
		err = r.find(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("rewinding %s to %s: %w", s.cfg.Name, to, s.explain(err))
	}
	return &r.out, nil
}

// rewinder looks for a target.
type rewinder struct {
	st    *stream
	to    Target
	now   position
	files []place
	f     *follower

	last    cdc.Position          // behind the newest transaction that was passed
	rows    map[cdc.TableID]int64 // of the transaction at hand
	found   bool
	counted uint64     // bytes passed since
	commits []prepared // those behind the target of which nothing is known yet
	out     Rewind
}

func (r *rewinder) find(ctx context.Context) error {
	var err error
	if r.files, err = logs(r.st.side); err != nil {
		return err
	}
	if len(r.files) == 0 {
		return cdc.Haltf(HaltBinlogOff, "the server has no log")
	}
	var i int
	switch {
	case !r.to.time.IsZero():
		i, err = r.fileOfTime(ctx)
	case !r.to.at.isZero():
		i, err = r.fileOfPlace()
	default:
		i, err = r.fileOfIDs()
	}
	if err != nil {
		return err
	}
	if err := r.scan(ctx, i); err != nil {
		return err
	}
	switch {
	case r.found:
		err = r.undecided(ctx)
	case r.to.one: // its number was read: as another server's
		return fmt.Errorf("the log has no transaction %s", r.to.ids.String())
	default:
		return fmt.Errorf("it is not before %s, which is where the log was read to", r.now.cdc())
	}
	r.total()
	return err
}

// undecided finds in older files the XA transactions that were prepared before
// the target and are committed behind it. What is behind countedMost of the log
// is looked for when the capture comes to it.
func (r *rewinder) undecided(ctx context.Context) error {
	from := &r.out.From
	list, err := parsePrepared(from.Prepared)
	if err != nil {
		return err
	}
	if err := r.st.search(ctx, r.commits, place{from.File, from.Offset}); err != nil {
		return fmt.Errorf("looking for prepared transactions in the log: %w", err)
	}
	for _, p := range r.commits {
		if !p.known() {
			r.out.Lost = append(r.out.Lost, p.XID)
		}
	}
	var p position
	p.setPrepared(append(list, r.commits...))
	from.Prepared = p.preparedText
	return nil
}

// newest gives the last of the files for which before is true; it is for all
// those in front of that too.
func (r *rewinder) newest(before func(file string) (bool, error)) (int, error) {
	lo, hi := -1, len(r.files) // before is true of lo, and not of hi
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		ok, err := before(r.files[mid].file)
		if err != nil {
			return 0, err
		}
		if ok {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, nil
}

func (r *rewinder) fileOfTime(ctx context.Context) (int, error) {
	i, err := r.newest(func(file string) (bool, error) {
		at, err := r.st.created(ctx, file)
		return !at.Add(secondOf).After(r.to.time), err
	})
	if err != nil || i >= 0 {
		return i, err
	}
	at, err := r.st.created(ctx, r.files[0].file)
	if err != nil {
		return 0, err
	}
	return 0, cdc.Haltf(HaltPurged, "the server's log begins at %s: name a later time, or load the tables again", at.Format(time.RFC3339))
}

func (r *rewinder) fileOfPlace() (int, error) {
	if err := findPlace(r.files, r.to.at); err != nil {
		return 0, err
	}
	for i, f := range r.files {
		if f.file == r.to.at.file {
			return i, nil
		}
	}
	return 0, nil
}

func (r *rewinder) fileOfIDs() (int, error) {
	if !r.now.byID || r.to.maria != r.st.v.maria {
		return 0, fmt.Errorf("the server has no such transaction ids; name a time, or file:offset")
	}
	if missing := r.now.set.missing(&r.to.ids); !missing.isZero() {
		return 0, fmt.Errorf("the transactions %s were not read yet", missing.String())
	}
	var oldest gtidSet
	i, err := r.newest(func(file string) (bool, error) {
		set, err := r.st.idsBefore(file)
		oldest = set
		if missing := set.missing(&r.to.ids); err != nil || !missing.isZero() {
			return true, err
		}
		return !r.to.one && set.String() == r.to.ids.String(), nil
	})
	if err == nil && i < 0 {
		err = cdc.Haltf(HaltPurged, "the server's log begins behind %s: name a later place, or load the tables again", oldest.String())
	}
	return i, err
}

// scan reads the log from a file on, first to the target, then to where it was
// read to, and counts.
func (r *rewinder) scan(ctx context.Context, i int) error {
	at := place{r.files[i].file, 4}
	p := position{byID: r.now.byID, set: gtidSet{maria: r.st.v.maria}, at: at, server: r.st.v.identity}
	if p.byID {
		var err error
		if p.set, err = r.st.idsBefore(at.file); err != nil {
			return err
		}
		p.text = p.set.String()
	}
	p.setPrepared([]prepared{{XID: anyXID}}) // in older files
	end, err := r.st.v.logEnd(r.st.side)
	if err != nil {
		return err
	}
	f := r.st.observer(at, p)
	f.tables = newTables(r.st.s.selected)
	r.f, r.rows, r.out.Rows = f, map[cdc.TableID]int64{}, map[cdc.TableID]int64{}
	f.settled = func() error { return r.boundary(false) }
	f.ended = func(bool) error { return r.boundary(true) }
	f.decided = func(p *prepared, _ []event) error {
		if r.found && !p.known() {
			r.commits = append(r.commits, *p)
		}
		return nil
	}
	f.rows = func(t *table, ev *rowsEvent) error {
		if f.g.prepared {
			f.note(t)
		}
		if t.selection != nil && (r.found || !r.to.time.IsZero()) {
			n, _ := t.count(ev) // what cannot be read, the stream says when it gets there
			r.rows[t.id] += n
		}
		return nil
	}
	f.still = func() error {
		if f.at.compare(end) >= 0 {
			return errEnough
		}
		return nil
	}
	return r.st.pass(ctx, origin{at: at}, func(raw []byte) error {
		if r.found {
			r.counted += uint64(len(raw))
		}
		return f.follow(raw)
	})
}

// boundary is between two transactions: behind one, or in front of a file's
// first.
func (r *rewinder) boundary(behind bool) error {
	if r.f.at.offset <= 4 {
		return nil // in front of the file's own events
	}
	if !r.now.at.isZero() && r.f.at.compare(r.now.at) > 0 {
		return errEnough
	}
	counts := r.found && behind
	if !r.found {
		here := r.f.pos.cdc()
		if err := r.match(behind, here); err != nil {
			return err
		}
		r.last = here
		// A time is in front of the transaction at hand, all else behind it.
		counts = r.found && !r.to.time.IsZero()
	}
	if counts {
		if r.out.Transactions++; r.out.First.IsZero() {
			r.out.First = r.f.g.commitTime.Add(r.st.v.offset).UTC()
		}
		for id, n := range r.rows {
			r.out.Rows[id] += n
		}
	}
	clear(r.rows)
	if r.reached() || r.counted > countedMost {
		return errEnough
	}
	return nil
}

// reached says whether this is where the log was read to.
func (r *rewinder) reached() bool {
	if !r.now.at.isZero() {
		return r.f.at.compare(r.now.at) >= 0
	}
	missing := r.f.pos.set.missing(&r.now.set)
	return missing.isZero()
}

// secondOf is what a time of whole seconds, as headers of events have it, may
// lie before what it stands for: rather a transaction too many is read again
// than one too few.
const secondOf = time.Second

// match says whether the target is here, or was passed.
func (r *rewinder) match(behind bool, here cdc.Position) error {
	g := &r.f.g
	switch {
	case !r.to.time.IsZero():
		latest := g.commitTime.Add(r.st.v.offset)
		if r.st.v.maria {
			latest = latest.Add(secondOf)
		}
		if behind && !latest.Before(r.to.time) {
			r.take(r.last)
		}
	case !r.to.at.isZero():
		order := r.f.at.compare(r.to.at)
		if order > 0 && r.to.at.offset > 4 {
			return r.between(here)
		}
		if order >= 0 {
			r.take(here)
		}
	case r.to.one:
		if behind && g.id == r.to.ids.only() {
			r.take(here)
		}
	default:
		if missing := r.f.pos.set.missing(&r.to.ids); !missing.isZero() {
			return nil
		}
		if r.f.pos.text != r.to.ids.String() {
			return r.between(here)
		}
		r.take(here)
	}
	return nil
}

func (r *rewinder) take(p cdc.Position) { r.found, r.out.From = true, p }

// between refuses what is no boundary.
func (r *rewinder) between(here cdc.Position) error {
	before, after := r.last, here
	if r.to.at.isZero() {
		return fmt.Errorf("the log was never at exactly that: the nearest are gtid:%s and gtid:%s", before.GTID, after.GTID)
	}
	if before.File == "" {
		return fmt.Errorf("that is inside a transaction, or inside an event: the nearest place is file:%s:%d", after.File, after.Offset)
	}
	return fmt.Errorf("that is inside a transaction, or inside an event: the nearest places are file:%s:%d and file:%s:%d",
		before.File, before.Offset, after.File, after.Offset)
}

// only is the one id of a set that has one.
func (s *gtidSet) only() gtid {
	if s.maria {
		return s.domains[0]
	}
	return gtid{uuid: s.sids[0].uuid, tag: s.sids[0].tag, n: s.sids[0].spans[0].lo}
}

// total adds up what lies between the target and where the log was read to, and
// stretches what was counted to it.
func (r *rewinder) total() {
	from := place{r.out.From.File, r.out.From.Offset}
	for _, f := range r.files {
		start, end := uint64(4), f.offset
		if f.file == from.file {
			start = from.offset
		}
		if f.file == r.now.at.file {
			end = r.now.at.offset
		}
		if (place{f.file, end}).compare(from) < 0 || !r.now.at.isZero() && (place{f.file, start}).compare(r.now.at) > 0 || end < start {
			continue
		}
		r.out.Files++
		r.out.Bytes += end - start
	}
	if r.counted > countedMost && r.out.Bytes > r.counted {
		r.out.Estimated = true
		more := float64(r.out.Bytes) / float64(r.counted)
		r.out.Transactions = int64(float64(r.out.Transactions) * more)
		for id, n := range r.out.Rows {
			r.out.Rows[id] = int64(float64(n) * more)
		}
	}
}
