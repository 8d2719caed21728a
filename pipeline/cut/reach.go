package cut

import (
	"fmt"

	"chartwire/pipeline/broker"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Reach knows how far row topics have been read, and so whether a cut has been
// reached. The topics are read committed and with [kgo.KeepControlRecords]: the
// last offset before an end may be a transaction's marker.
//
// It is for one goroutine at a time.
type Reach struct {
	seqs  Marks          // last seq seen
	ends  broker.Offsets // still to be passed, from the start
	marks Marks          // still to be seen
}

// NewReach begins with the ends of the topics ([broker.Ends], asked for after
// the first cut was read): the first cut is reached when all are passed. A mark
// would not do there, because compaction may have taken the record that it
// names. from are the offsets at which reading begins; ends at or before them
// are passed.
func NewReach(from, ends broker.Offsets) *Reach {
	r := &Reach{seqs: Marks{}, ends: broker.Offsets{}, marks: Marks{}}
	for topic, parts := range ends {
		for p, end := range parts {
			if from[topic][p] < end {
				if r.ends[topic] == nil {
					r.ends[topic] = map[int32]int64{}
				}
				r.ends[topic][p] = end
			}
		}
	}
	return r
}

// Want adds the marks of a cut that follows the first, those of the topics
// that read says are read. The cut is reached when Reached says so.
func (r *Reach) Want(c *Cut, read func(topic string) bool) {
	for topic, parts := range c.Marks {
		if !read(topic) {
			continue
		}
		for p, seq := range parts {
			if r.seqs[topic][p] < seq {
				r.marks = r.marks.with(Marks{topic: {p: seq}})
			}
		}
	}
}

// Reached reports whether everything wanted has been read.
func (r *Reach) Reached() bool { return len(r.ends) == 0 && len(r.marks) == 0 }

// Saw takes note of a record of a row topic. It gives the record's seq, 0 for a
// transaction's marker.
func (r *Reach) Saw(rec *kgo.Record) (seq int64, err error) {
	if end, ok := r.ends[rec.Topic][rec.Partition]; ok && rec.Offset >= end-1 {
		done(r.ends, rec.Topic, rec.Partition)
	}
	if rec.Attrs.IsControl() {
		return 0, nil
	}
	if seq, err = Seq(rec); err != nil {
		return 0, err
	}
	parts := r.seqs[rec.Topic]
	if parts == nil {
		parts = map[int32]int64{}
		r.seqs[rec.Topic] = parts
	}
	parts[rec.Partition] = max(parts[rec.Partition], seq)
	if mark, ok := r.marks[rec.Topic][rec.Partition]; ok && seq >= mark {
		done(r.marks, rec.Topic, rec.Partition)
	}
	return seq, nil
}

func done[M ~map[string]map[int32]int64](m M, topic string, p int32) {
	delete(m[topic], p)
	if len(m[topic]) == 0 {
		delete(m, topic)
	}
}

// Seq reads the seq of a record of a row topic.
func Seq(rec *kgo.Record) (int64, error) {
	for i := range rec.Headers {
		if rec.Headers[i].Key == schemas.HeaderSeq {
			seq, err := schemas.ParseSeq(rec.Headers[i].Value)
			if err != nil {
				return 0, fmt.Errorf("reading %s/%d at offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
			}
			return seq, nil
		}
	}
	return 0, fmt.Errorf("reading %s/%d at offset %d: no header %s", rec.Topic, rec.Partition, rec.Offset, schemas.HeaderSeq)
}
