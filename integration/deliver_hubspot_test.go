package integration_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/deadletter"
	"chartwire/pipeline/shadow"
	"chartwire/pipeline/writes"
	"chartwire/schemas"
	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/hubspot/hubspottest"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	deliverFlow    = "om-aggregation"
	patientKey     = "open_medical_patient_id"
	deliverTimeout = time.Second
)

// delivery is a broker, HubSpot's stand-in and what was sent between them.
type delivery struct {
	t       *testing.T
	c       broker.Config
	topics  schemas.Topics
	sim     *hubspottest.Server
	url     string
	cl      *kgo.Client
	version int64
	ends    map[string]int64
	want    map[string]map[string]string // by patient: newest values; nil: archived
}

func newDelivery(t *testing.T, c broker.Config, opts hubspottest.Options) *delivery {
	t.Helper()
	d := &delivery{t: t, c: c, topics: schemas.Topics{Prefix: "t"}, sim: hubspottest.New(opts), ends: map[string]int64{}, want: map[string]map[string]string{}}
	d.url = d.sim.Start(t)
	cl, err := d.c.Client()
	d.must(err)
	t.Cleanup(cl.Close)
	d.cl = cl
	all := []broker.Topic{broker.Compacted(d.topics.Shadow("hubspot"))}
	for _, lane := range sinks.Lanes {
		all = append(all, writes.Topic(d.topics, "hubspot", deliverFlow, lane))
	}
	d.must(broker.EnsureTopics(t.Context(), cl, d.c, all...))
	s := deliverySink(t, d.url, deliverTimeout)
	want, err := schema.Default()
	d.must(err)
	plan, err := s.Plan(t.Context(), want)
	d.must(err)
	d.must(s.Provision(t.Context(), plan))
	return d
}

func (d *delivery) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func deliverySink(t *testing.T, url string, timeout time.Duration) *hubspot.Sink {
	t.Helper()
	s, err := hubspot.New(hubspot.Config{BaseURL: url, PortalID: 24117000, CallTimeout: timeout,
		Token: func() (string, error) { return hubspottest.DefaultToken, nil }, Needs: []hubspot.Need{
			{Map: "om-aggregation/contacts", Object: "contacts", Unique: patientKey},
			{Map: "woocommerce/orders", Object: "deals", Unique: orderKey, Update: true, Links: []hubspot.NeedLink{{To: "contacts"}}},
		}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a Deliver; the returned function cuts it off from Kafka for good.
func (d *delivery) start() (kill func()) {
	d.t.Helper()
	road, c := brokertest.NewRoad(d.c)
	del, err := pipeline.NewDeliver(pipeline.DeliverOptions{Sink: deliverySink(d.t, d.url, deliverTimeout), Flows: []string{deliverFlow}, Connection: c, Topics: d.topics,
		Dir: d.t.TempDir(), Fingerprint: "a", CallTimeout: deliverTimeout, Log: slog.New(slog.NewTextHandler(d.t.Output(), nil))})
	d.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- del.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		road.Unblock()
		if err := <-done; err != nil {
			d.t.Errorf("Run: %v", err)
		}
	})
	return func() {
		road.Block()
		cancel()
	}
}

// patient sends the next mutation of a patient's contact.
func (d *delivery) patient(key string, lane sinks.Lane, existence sinks.Existence, values map[string]string) {
	d.t.Helper()
	d.version++
	m := &sinks.Mutation{Sink: "hubspot", Flow: deliverFlow, Map: deliverFlow + "/contacts", Version: d.version, Lane: lane,
		Record: sinks.Record{Object: "contacts", Property: patientKey, Key: key}, Commit: time.Now(), Reason: "change", Existence: existence,
		Origin: []sinks.Origin{{Source: "clinic", Table: "om.patients", Row: key, Seq: d.version, Position: "gtid:0-1-5"}}}
	for name, value := range values {
		p := sinks.Property{Name: name, State: sinks.Set, Value: value, Lane: max(lane, sinks.Realtime), Backward: name == "lifecyclestage"}
		if value == "" {
			p.State = sinks.Clear
		}
		if lane == sinks.Safety && name == "firstname" {
			p.Lane = sinks.Safety
		}
		m.Properties = append(m.Properties, p)
	}
	d.send(m)
	if existence == sinks.Archived {
		d.want[key] = nil
		return
	}
	if d.want[key] == nil {
		d.want[key] = map[string]string{patientKey: key}
	}
	maps.Copy(d.want[key], values)
	maps.DeleteFunc(d.want[key], func(_, v string) bool { return v == "" })
}

func (d *delivery) send(ms ...*sinks.Mutation) {
	d.t.Helper()
	var recs []*kgo.Record
	for _, m := range ms {
		r, err := writes.Record(d.topics, m)
		d.must(err)
		recs = append(recs, r)
	}
	d.must(d.cl.ProduceSync(d.t.Context(), recs...).FirstErr())
	for _, r := range recs {
		d.ends[r.Topic] = r.Offset + 1
	}
}

// anything sends a random change of one of a few patients, who flip between few
// values.
func (d *delivery) anything(r *rand.Rand) {
	d.t.Helper()
	key, lane := fmt.Sprintf("P-%03d", r.IntN(12)), sinks.Lanes[r.IntN(3)]
	if r.IntN(15) == 0 {
		d.patient(key, lane, sinks.Archived, nil)
		return
	}
	d.patient(key, lane, sinks.Present, map[string]string{
		"firstname": []string{"Ann", "Anna"}[r.IntN(2)], "lastname": []string{"", "Smith", "Miller"}[r.IntN(3)],
		"lifecyclestage": []string{"lead", "opportunity", "customer"}[r.IntN(3)],
	})
}

// settle waits until everything sent is done.
func (d *delivery) settle(within time.Duration) {
	d.t.Helper()
	var p shadow.Progress
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		_, err := broker.Scan(d.t.Context(), d.c, func(r *kgo.Record) (err error) {
			if string(r.Key) == shadow.ProgressKey {
				p, err = shadow.DecodeProgress(r.Value)
			}
			return err
		}, d.topics.Shadow("hubspot"))
		d.must(err)
		left := 0
		for topic, end := range d.ends {
			if p.Offsets[topic][0] < end {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("not done within %s: have %v, want %v", within, p.Offsets, d.ends)
		}
	}
}

// equal compares what HubSpot holds with what was sent.
func (d *delivery) equal() {
	d.t.Helper()
	have, names := map[string]map[string]string{}, map[string]bool{}
	for _, values := range d.want {
		for name := range values {
			names[name] = true
		}
	}
	for _, r := range d.sim.Records("contacts") {
		key := r.Properties[patientKey]
		if r.Archived || key == "" {
			continue
		}
		if have[key] != nil {
			d.t.Errorf("patient %s is there twice", key)
		}
		have[key] = maps.Clone(r.Properties)
		maps.DeleteFunc(have[key], func(name, _ string) bool { return !names[name] })
	}
	want := maps.Clone(d.want)
	maps.DeleteFunc(want, func(_ string, v map[string]string) bool { return v == nil })
	if diff := cmp.Diff(want, have); diff != "" {
		d.t.Errorf("HubSpot holds (-want +got):\n%s", diff)
	}
}

// fails makes calls to paths with this in them fail in every way, at random.
func (d *delivery) fails(path string) {
	for _, f := range []hubspottest.Fault{
		{Kind: hubspottest.AnswerLost, Probability: 0.08},
		{Kind: hubspottest.ConnectionReset, Probability: 0.05},
		{Kind: hubspottest.InternalError, Probability: 0.03, After: true},
		{Kind: hubspottest.TooManyBurst, Probability: 0.02, RetryAfter: time.Second},
		{Kind: hubspottest.SlowAnswer, Probability: 0.1, Latency: hubspottest.Latency{Fixed: 300 * time.Millisecond}},
	} {
		f.Path = path
		d.sim.Inject(f)
	}
}

func TestDeliverToHubSpotThroughFaultsAndKills(t *testing.T) {
	t.Parallel()
	seeds := 3
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			d := newDelivery(t, brokertest.Start(t), hubspottest.Options{Seed: uint64(seed)})
			d.fails("/contacts/batch/")
			r := rand.New(rand.NewPCG(uint64(seed), 5))
			kill := d.start()
			for round := range 3 {
				for range 40 {
					d.anything(r)
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
				if round < 2 {
					kill()
					kill = d.start()
				}
			}
			time.Sleep(200 * time.Millisecond)
			d.sim.Clear()
			d.settle(2 * time.Minute)
			d.equal()
		})
	}
}

func TestDeliverToHubSpotOneBadOfAHundred(t *testing.T) {
	d := newDelivery(t, brokertest.Start(t), hubspottest.Options{})
	for i := range 100 {
		email := fmt.Sprintf("p%d@clinic.example.org", i)
		if i == 42 {
			email = "no address"
		}
		d.patient(fmt.Sprintf("P-%03d", i), sinks.Routine, sinks.Present, map[string]string{"firstname": "Ann", "email": email})
	}
	delete(d.want["P-042"], "email")
	d.start()
	d.settle(time.Minute)
	d.equal()
	letters, err := deadletter.List(t.Context(), d.c, d.topics, "hubspot", deadletter.Filter{})
	d.must(err)
	if len(letters) != 1 {
		t.Fatalf("%d dead letters, want 1", len(letters))
	}
	l := letters[0]
	if l.Property != "email" || l.Code != "INVALID_EMAIL" || l.Correlation == "" || l.Record.Key != "P-042" || l.Origin[0].Position != "gtid:0-1-5" {
		t.Errorf("dead letter %+v", l)
	}
}

func TestDeliverToHubSpotThatWasAway(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, brokertest.Start(t), hubspottest.Options{})
	d.start()
	d.patient("P-000", sinks.Realtime, sinks.Present, map[string]string{"firstname": "Ann"})
	d.settle(time.Minute)
	d.sim.Inject(hubspottest.Fault{Kind: hubspottest.Down})
	for i := range 300 {
		d.patient(fmt.Sprintf("P-%03d", i), sinks.Lanes[i%4], sinks.Present, map[string]string{"firstname": fmt.Sprint("Ann", i)})
	}
	time.Sleep(8 * time.Second)
	d.sim.Clear()
	back := time.Now()
	d.settle(time.Minute)
	d.equal()
	t.Logf("all written %s after HubSpot came back", time.Since(back).Round(100*time.Millisecond))
	letters, err := deadletter.List(t.Context(), d.c, d.topics, "hubspot", deadletter.Filter{})
	d.must(err)
	if len(letters) != 0 {
		t.Errorf("%d dead letters", len(letters))
	}
}
