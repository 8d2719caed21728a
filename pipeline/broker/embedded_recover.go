package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// recoverTimeout bounds the reading of a directory at its limit.
const recoverTimeout = 5 * time.Minute

// cutOff is a transaction that the end of the broker's process left without a
// marker in a partition.
type cutOff struct {
	topic     string
	partition int32
	producer  int64
}

// endCutOff writes the missing abort markers of transactions that were open
// when the broker was killed. A real cluster's coordinator does it. The one in
// the process only remembers that they are aborted: readers wait for their end
// for ever, and after another kill the marker of the producer's next
// transaction would commit them.
func (e *Embedded) endCutOff(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	epochs, err := e.findCutOff(ctx)
	if err != nil || len(epochs) == 0 {
		return err
	}
	cl, err := e.Config().Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewPtrWriteTxnMarkersRequest()
	for c, epoch := range epochs {
		part := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
		part.Topic, part.Partitions = c.topic, []int32{c.partition}
		m := kmsg.NewWriteTxnMarkersRequestMarker()
		m.ProducerID, m.ProducerEpoch, m.Topics = c.producer, epoch, []kmsg.WriteTxnMarkersRequestMarkerTopic{part}
		req.Markers = append(req.Markers, m)
	}
	answer, err := cl.Broker(0).Request(ctx, req)
	if err != nil {
		return err
	}
	for _, m := range answer.(*kmsg.WriteTxnMarkersResponse).Markers {
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("ending a transaction in %s/%d: %w", t.Topic, p.Partition, err)
				}
			}
		}
	}
	return nil
}

// findCutOff reads everything and gives, with their epochs, the transactions
// that have no end.
func (e *Embedded) findCutOff(ctx context.Context) (map[cutOff]int16, error) {
	cl, err := e.Config().Client(kgo.KeepControlRecords(), kgo.FetchIsolationLevel(kgo.ReadUncommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	starts, err := adm.ListStartOffsets(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := adm.ListEndOffsets(ctx)
	if err != nil {
		return nil, err
	}
	left := Offsets{}
	ends.Each(func(o kadm.ListedOffset) {
		if s, ok := starts.Lookup(o.Topic, o.Partition); ok && s.Offset < o.Offset {
			left.set(o.Topic, o.Partition, o.Offset)
			cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: {o.Partition: kgo.NewOffset().At(s.Offset)}})
		}
	})
	open := map[cutOff]int16{}
	return open, readTo(ctx, cl, left, func(r *kgo.Record) error {
		c := cutOff{r.Topic, r.Partition, r.ProducerID}
		switch {
		case !r.Attrs.IsTransactional():
		case r.Attrs.IsControl():
			delete(open, c)
		default:
			open[c] = r.ProducerEpoch
		}
		return nil
	})
}
