package orders_test

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/orders"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Orders reach the capture of their own source once each, in their order, those
// that were given while nobody listened too; and each is in the audit.
func TestFollow(t *testing.T) {
	c, topics := brokertest.Start(t), schemas.Topics{Prefix: "t"}
	people := cdc.TableID{Database: "d.x", Name: "people"}
	given := []cdc.Order{
		{Act: cdc.ActStart, Table: people, Where: "id > 5"},
		{Act: cdc.ActPause},
		{Act: cdc.ActColumn, Table: people, Columns: []string{"a", "b"}},
	}
	var ids []int64
	give := func(source string, o cdc.Order) {
		t.Helper()
		id, err := orders.Give(t.Context(), c, topics, source, o, "because")
		if err != nil {
			t.Fatal(err)
		}
		if source == "om" {
			ids = append(ids, id)
		}
	}
	give("om", given[0])
	give("shop", cdc.Order{Act: cdc.ActStop})
	give("om", given[1])
	follow := func(after int64, n int) (got []cdc.Order) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		ch, done := make(chan cdc.Order), make(chan error, 1)
		go func() { done <- orders.Follow(ctx, c, topics, "om", after, slog.New(slog.DiscardHandler), ch) }()
		for range n {
			select {
			case o := <-ch:
				got = append(got, o)
			case <-time.After(time.Minute):
				t.Fatal("no order came")
			}
			if len(got) == 1 && len(ids) == 2 {
				give("om", given[2])
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return got
	}
	got := follow(0, 3)
	for i := range got {
		if got[i].ID != ids[i] || got[i].Time.IsZero() {
			t.Errorf("order %d is %+v", i, got[i])
		}
		got[i].ID, got[i].Time = 0, time.Time{}
	}
	if !reflect.DeepEqual(got, given) {
		t.Errorf("got %+v", got)
	}
	if again := follow(ids[1], 1); again[0].ID != ids[2] {
		t.Errorf("behind the second came %+v", again)
	}
	list, err := audit.List(t.Context(), c, topics)
	if err != nil || len(list) != 4 || list[0].Act != "snapshot start" || list[3].Act != "capture columns" || list[0].Reason != "because" {
		t.Errorf("audit %+v, %v", list, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"source":"om","act":"start","table":"d%2Ex.people","where":"id > 5","columns":["a"],"time":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"table":"."}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := orders.Decode(&kgo.Record{Value: value, Offset: 4})
		if err == nil && o != nil && o.ID != 5 {
			t.Errorf("the ID of %s is %d", value, o.ID)
		}
	})
}
