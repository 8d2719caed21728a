package pipeline

import (
	"cmp"
	"time"

	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/mapping"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mapFailure is a row that a map could make nothing of: its bytes are not what
// its schema says. It fails no other row; a dead letter names it.
type mapFailure struct {
	m   *mapping.Map
	key string
	row string // of the entity's root, if that is not key
	seq int64
	err error
}

// failures writes the dead letters of rows into the open transaction.
func (t *mapTerm) failures(failed []mapFailure) error {
	for i := range failed {
		f := &failed[i]
		t.m.metrics.failed.WithLabelValues(f.m.Name).Inc()
		t.m.log.Error("a row cannot be mapped", "map", f.m.Name, "table", f.m.Table.String(), "seq", f.seq, "err", f.err)
		l := deadletter.Letter{
			Sink: t.m.letters(), Flow: t.m.o.Flow, Map: f.m.Name, Record: f.record(), Code: "row-unmapped", Class: "row",
			Message: f.err.Error(), Time: time.Now().UTC(),
			Origin: []sinks.Origin{{Source: f.m.Source, Table: f.m.Table.String(), Row: cmp.Or(f.row, f.key), Seq: f.seq}},
		}
		value, err := l.Append(nil)
		if err != nil {
			return err
		}
		t.produceLetter(&l, value)
	}
	return nil
}

// record names the row where a letter of Deliver names a record.
func (f *mapFailure) record() sinks.Record {
	return sinks.Record{Object: "row", Property: f.m.Source + "." + f.m.Table.String() + " " + f.m.Name, Key: f.key}
}

// mended takes back the letter of a row that could be mapped again.
func (t *mapTerm) mended(m *mapping.Map, key string) {
	f := mapFailure{m: m, key: key}
	t.produceLetter(&deadletter.Letter{Sink: t.m.letters(), Record: f.record()}, nil)
}

func (t *mapTerm) produceLetter(l *deadletter.Letter, value []byte) {
	t.dirty = true
	t.p.Produce(&kgo.Record{Topic: t.m.o.Topics.DeadLetters(l.Sink), Key: []byte(l.Key()), Value: value})
}

// letters names the sink among whose dead letters a person finds the rows.
func (m *Map) letters() string { return m.o.Program.Sinks()[0] }
