package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chartwire/pipeline/broker"
	"chartwire/schemas"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Filter selects letters; a zero field selects all.
type Filter struct {
	ID       string // a prefix of Letter.ID
	Flow     string
	Object   string
	Property string
	Class    string
	Code     string
}

// Match reports whether the filter selects the letter.
func (f Filter) Match(l *Letter) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return same(f.Flow, l.Flow) && same(f.Object, l.Record.Object) && same(f.Property, l.Property) &&
		same(f.Class, l.Class) && same(f.Code, l.Code) && strings.HasPrefix(l.ID(), f.ID)
}

// List gives the sink's open letters that the filter selects, newest first. It
// reads the whole topic; in memory are those selected.
func List(ctx context.Context, c broker.Config, topics schemas.Topics, sink string, f Filter) ([]*Letter, error) {
	open := map[string]*Letter{}
	_, err := broker.Scan(ctx, c, func(r *kgo.Record) error {
		delete(open, string(r.Key))
		if r.Value == nil {
			return nil
		}
		l, err := Decode(r.Value)
		if err == nil && f.Match(l) {
			open[string(r.Key)] = l
		}
		return err
	}, topics.DeadLetters(sink))
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil // nothing was ever delivered
	}
	if err != nil {
		return nil, fmt.Errorf("reading the dead letters: %w", err)
	}
	letters := make([]*Letter, 0, len(open))
	for _, l := range open {
		letters = append(letters, l)
	}
	slices.SortFunc(letters, func(a, b *Letter) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(a.Key(), b.Key()))
	})
	return letters, nil
}

// ErrNoOrigin says that a letter names no row to map again.
var ErrNoOrigin = errors.New("it names no row")

// Retry asks the letters' maps for their records again, and returns when Kafka
// has the questions. A letter stays open until the destination has taken what
// comes of it.
func Retry(ctx context.Context, c broker.Config, topics schemas.Topics, letters ...*Letter) error {
	var recs []*kgo.Record
	asked := map[string]bool{}
	for _, l := range letters {
		if len(l.Origin) == 0 {
			return fmt.Errorf("retrying dead letter %s: %w", l.ID(), ErrNoOrigin)
		}
		for _, o := range l.Origin {
			r := request(topics.Retry(l.Flow), l, o)
			if id := fmt.Sprint(r.Topic, r.Headers, string(r.Key)); !asked[id] {
				asked[id] = true
				recs = append(recs, r)
			}
		}
	}
	cl, err := c.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return fmt.Errorf("asking for dead letters again: %w", err)
	}
	return nil
}

// request is a record of a flow's retry topic: its key names a table and a row,
// its headers the source they are of, and the map or rule and the record that
// were refused.
func request(topic string, l *Letter, o sinks.Origin) *kgo.Record {
	return &kgo.Record{
		Topic: topic,
		Key:   []byte(o.Table + "\x00" + o.Row),
		Headers: []kgo.RecordHeader{
			{Key: "source", Value: []byte(o.Source)},
			{Key: "map", Value: []byte(l.Map)},
			{Key: "record", Value: []byte(l.Record.ID())},
		},
	}
}
