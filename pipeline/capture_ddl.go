package pipeline

import (
	"encoding/json"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// DDL is the value of a record in a source's topic of statements, in JSON. It is
// for people and their tools: how rows are read never depends on it. Text is the
// statement without its literals and comments, which may hold what rows hold:
// defaults, labels, bounds of partitions. It is missing where that cannot be told
// apart with certainty.
type DDL struct {
	Source string    `json:"source"`
	Seq    int64     `json:"seq"`  // among those of the source's rows
	Time   time.Time `json:"time"` // the commit's
	GTID   string    `json:"gtid,omitempty"`
	File   string    `json:"file,omitempty"`
	Offset uint64    `json:"offset,omitempty"` // behind the statement
	Tables []string  `json:"tables"`
	Kinds  []string  `json:"kinds"` // alter, truncate, drop, rename, create, partition
	Text   string    `json:"text,omitempty"`
}

// statements makes the records of the statements of t.
func (in *collector) statements(t *cdc.Txn) {
	for i := range t.Statements {
		s, pos := &t.Statements[i], &t.Checkpoint.Position
		in.seq++
		in.since.content = true
		d := DDL{Source: in.capture.o.Source, Seq: in.seq, Time: t.CommitTime.UTC(), GTID: pos.Last.GTID, File: pos.File, Offset: pos.Offset, Kinds: s.Kinds, Text: s.Text}
		for _, id := range s.Tables {
			d.Tables = append(d.Tables, id.String())
		}
		value, err := json.Marshal(&d)
		if err != nil {
			panic(err) // texts, numbers and a time that a server said
		}
		in.cur.append(kgo.Record{Topic: in.capture.o.Topics.DDL(d.Source), Key: []byte(d.Tables[0]), Value: value, Timestamp: d.Time,
			Headers: []kgo.RecordHeader{{Key: schemas.HeaderSeq, Value: schemas.AppendSeq(nil, d.Seq)}}})
	}
}
