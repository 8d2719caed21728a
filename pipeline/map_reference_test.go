package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/state"
	"chartwire/pipeline/writes"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The reference: what Map should make of the world, said without cuts, topics
// or state. A rule's condition is looked at after each source transaction, for
// each row that it changed.

// edit sets a row within a transaction; nil deletes it.
type edit struct {
	id     int
	person *person
	lab    *lab
	labs   bool // of table labs
}

// transact makes a source transaction of edits, as the database would write it.
func (b *batch) transact(edits ...edit) {
	w := b.w
	people, labs := maps.Clone(w.people), maps.Clone(w.labs)
	var changes []worldChange
	for _, e := range edits {
		c := worldChange{table: "people", id: e.id}
		if e.labs {
			c.table = "labs"
			c.before, c.after = edited(w.labs, e.id, e.lab)
		} else {
			c.before, c.after = edited(w.people, e.id, e.person)
		}
		switch {
		case c.before == nil && c.after == nil:
			continue
		case c.before == nil:
			c.op = cdc.Create
		case c.after == nil:
			c.op = cdc.Delete
		default:
			c.op = cdc.Update
		}
		changes = append(changes, c)
	}
	b.txn(changes...)
	judged := map[string]bool{}
	for _, c := range changes {
		rule := c.table + fmt.Sprint(c.id)
		if judged[rule] {
			continue
		}
		judged[rule] = true
		if c.table == "labs" {
			old, had := labs[c.id]
			now, has := w.labs[c.id]
			w.became("labs", "test/labs/critical", c.id, had && old.critical, has && now.critical, false, now.date)
			continue
		}
		old, had := people[c.id]
		now, has := w.people[c.id]
		w.became("people", "test/people/balance-over", c.id, had && old.owes(), has && now.owes(), false, time.Time{})
		w.changed(c.id, old, had)
	}
}

func edited[R interface{ row(int) cdc.Row }](rows map[int]R, id int, to *R) (before, after cdc.Row) {
	if old, ok := rows[id]; ok {
		before = old.row(id)
	}
	delete(rows, id)
	if to != nil {
		rows[id] = *to
		after = (*to).row(id)
	}
	return before, after
}

// became is a rule's condition before and after a transaction, or as a snapshot
// sees it.
func (w *mapWorld) became(table, rule string, id int, was, is, read bool, date time.Time) {
	key := fmt.Sprintf("%s:%d", rule, id)
	l := w.latches[key]
	if l == nil {
		l = &worldLatch{}
		w.latches[key] = l
	}
	open := w.openTable(table)
	fire := false
	switch {
	case !is:
	case read || open && was:
		from := time.Now().Add(-72 * time.Hour)
		if since := w.loads[w.tables[table].ID()].Since; !since.IsZero() && since.Before(from) {
			from = since
		}
		fire = !l.on && table == "labs" && date.After(from)
	case !was:
		fire = true
	}
	if l.on = is; fire {
		l.n++
		w.fired[fmt.Sprintf("%s:%d", key, l.n)] = true
	}
}

func (w *mapWorld) openTable(table string) bool {
	l, ok := w.loads[w.tables[table].ID()]
	return w.reloads[table] || ok && l.Phase != cdc.LoadDone
}

// read makes a snapshot's chunk of rows.
func (b *batch) read(table string, ids ...int) {
	w := b.w
	for i, id := range ids {
		c := worldChange{table: table, id: id, op: cdc.Read}
		if table == "labs" {
			l := w.labs[id]
			c.after = l.row(id)
			w.became(table, "test/labs/critical", id, false, l.critical, true, l.date)
		} else {
			p := w.people[id]
			c.after = p.row(id)
			w.became(table, "test/people/balance-over", id, false, p.owes(), true, time.Time{})
		}
		b.add(c, i, "")
	}
}

// empty is a TRUNCATE of a table, at this place of the batch.
func (b *batch) empty(table string) cdc.Epoch {
	w := b.w
	w.seq = max(w.seq+1, time.Now().UnixMicro())
	if table == "labs" {
		for id, l := range w.labs {
			w.became(table, "test/labs/critical", id, l.critical, false, false, time.Time{})
		}
		clear(w.labs)
	} else {
		for id, p := range w.people {
			w.became(table, "test/people/balance-over", id, p.owes(), false, false, time.Time{})
		}
		clear(w.people)
	}
	return cdc.Epoch{Table: w.tables[table].ID(), Kind: cdc.EpochTruncate, Seq: w.seq}
}

// written is everything in the topics of mutations.
type written struct {
	all     []*sinks.Mutation
	records map[string]*sinks.Mutation // the newest of each record
	tickets map[string]int             // how many mutations of each
}

// written reads the topics of mutations, and holds the versions to what they
// promise.
func (w *mapWorld) written() *written {
	w.Helper()
	out := &written{records: map[string]*sinks.Mutation{}, tickets: map[string]int{}}
	last, seen := map[string]int64{}, map[int64]bool{}
	var topics []string
	for _, l := range sinks.Lanes {
		topics = append(topics, w.topics.Writes("hubspot", w.flow, l.String()))
	}
	_, err := broker.Scan(w.Context(), w.conn, func(r *kgo.Record) error {
		m, _, err := writes.Decode(r)
		if err != nil || m == nil {
			return err
		}
		if m.Version <= last[r.Topic] || seen[m.Version] {
			w.Errorf("%s offset %d has version %d after %d (given before: %v)", r.Topic, r.Offset, m.Version, last[r.Topic], seen[m.Version])
		}
		last[r.Topic], seen[m.Version] = m.Version, true
		out.all = append(out.all, m)
		for _, p := range m.Properties {
			if p.Value == half {
				w.Errorf("version %d shows half a transaction", m.Version)
			}
		}
		return nil
	}, topics...)
	if err != nil {
		w.Fatal(err)
	}
	slices.SortFunc(out.all, func(a, b *sinks.Mutation) int { return int(a.Version - b.Version) })
	for _, m := range out.all {
		if m.Record.Object == "tickets" {
			out.tickets[m.Record.Key]++
			continue
		}
		out.records[m.Record.Key] = m
	}
	return out
}

// verify holds what was written against the reference.
func (w *mapWorld) verify() *written {
	w.Helper()
	got := w.written()
	values := map[string]string{}
	for key, m := range got.records {
		if m.Existence != sinks.Archived {
			for _, p := range m.Properties {
				values[key+" "+p.Name] = string(p.State) + " " + p.Value
			}
		}
	}
	want := map[string]string{}
	for id, p := range w.people {
		if p.kind != "patient" {
			continue
		}
		want[fmt.Sprint(id, " firstname")] = "set " + p.name
		want[fmt.Sprint(id, " account_balance")] = fmt.Sprint("set ", p.balance)
		want[fmt.Sprint(id, " city")] = "set " + p.city
		if p.city == "" {
			want[fmt.Sprint(id, " city")] = "clear "
		}
	}
	if d := cmp.Diff(want, values); d != "" {
		w.Errorf("records differ (-want +got):\n%s", d)
	}
	for key := range w.fired {
		if n := got.tickets[key]; n != 1 {
			w.Errorf("ticket %s was written %d times", key, n)
		}
	}
	for _, m := range got.all {
		if want, ok := w.changes[m.Record.Key]; ok && m.Properties[0].Value != want {
			w.Errorf("ticket %s says %q, want %q", m.Record.Key, m.Properties[0].Value, want)
		}
	}
	for key, n := range got.tickets {
		if !w.fired[key] {
			w.Errorf("ticket %s was written %d times and should not be", key, n)
		}
	}
	return got
}

// verifyRows holds a local state, of a map that has stopped, against the
// database.
func (w *mapWorld) verifyRows(dir string) {
	w.Helper()
	db, err := state.Open(state.Options{Dir: dir, Flow: w.topics.Prefix + "." + w.flow})
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	want, got := map[string]string{}, map[string]string{}
	for id, p := range w.people {
		want[fmt.Sprint("people ", id)] = string(p.row(id))
	}
	for id, l := range w.labs {
		want[fmt.Sprint("labs ", id)] = string(l.row(id))
	}
	for name, t := range w.tables {
		for r, err := range db.Rows(state.Table{Source: "clinic", TableID: t.ID()}, "") {
			if err != nil {
				w.Fatal(err)
			}
			got[name+" "+r.Key] = string(r.Data)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		w.Errorf("rows of the local state differ (-want +got):\n%s", d)
	}
}
