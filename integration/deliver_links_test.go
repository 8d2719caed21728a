package integration_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/pipeline/broker/brokertest"
	"chartwire/pipeline/deadletter"
	"chartwire/sinks"
	"chartwire/sinks/hubspot/hubspottest"

	"github.com/google/go-cmp/cmp"
)

const (
	customerKey = "woocommerce_customer_id"
	orderKey    = "woocommerce_order_id"
)

// shopMutation makes the next mutation of one of the shop's records.
func (d *delivery) shopMutation(object, unique, key string, values map[string]string) *sinks.Mutation {
	d.version++
	m := &sinks.Mutation{Sink: "hubspot", Flow: deliverFlow, Map: "woocommerce/" + object, Version: d.version, Lane: sinks.Realtime, Commit: time.Now(),
		Record: sinks.Record{Object: object, Property: unique, Key: key}, Reason: "change", Existence: sinks.Present,
		Origin: []sinks.Origin{{Source: "shop", Table: "shop.wp_wc_orders", Row: key, Seq: d.version, Position: "gtid:0-1-5"}}}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		m.Properties = append(m.Properties, sinks.Property{Name: name, State: sinks.Set, Value: values[name], Lane: sinks.Realtime})
	}
	return m
}

func (d *delivery) customer(key string) *sinks.Mutation {
	return d.shopMutation("contacts", customerKey, key, map[string]string{"firstname": "Ann", "lastname": key})
}

// order is an order's deal, linked with these customers.
func (d *delivery) order(key string, customers ...string) *sinks.Mutation {
	m := d.shopMutation("deals", orderKey, key, map[string]string{"dealname": "Order " + key, "amount": "49",
		"pipeline": "ENNU Program Enrollment", "dealstage": "Enrollment Processing"})
	m.Links = []sinks.Link{{Name: "contact", State: sinks.Clear}}
	for _, c := range customers {
		m.Links = append(m.Links, sinks.Link{Name: "contact", To: sinks.Record{Object: "contacts", Property: customerKey, Key: c}, State: sinks.Set})
	}
	return m
}

// calls counts the calls about records and associations.
func (d *delivery) calls() (n int) {
	for _, c := range d.sim.Calls() {
		if c.Method == "POST" && strings.Contains(c.Route, "/batch/") {
			n++
		}
	}
	return n
}

// linksHeld are the links of orders with customers.
func (d *delivery) linksHeld() []string {
	customers := map[string]string{}
	for _, r := range d.sim.Records("contacts") {
		if !r.Archived {
			customers[r.ID] = r.Properties[customerKey]
		}
	}
	held := []string{}
	for _, r := range d.sim.Records("deals") {
		for _, l := range r.Links {
			if !r.Archived && l.Object == "contacts" {
				held = append(held, r.Properties[orderKey]+">"+customers[l.ID])
			}
		}
	}
	slices.Sort(held)
	return held
}

func (d *delivery) linkedSoon(within time.Duration, want ...string) {
	d.t.Helper()
	slices.Sort(want)
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		diff := cmp.Diff(want, d.linksHeld())
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("links not within %s (-want +got):\n%s", within, diff)
		}
	}
}

// A checkout is three calls at most: contact, deal, association; and what is
// mapped again without a change is none.
func TestCheckoutInThreeCalls(t *testing.T) {
	const calm = time.Minute
	d := newDelivery(t, brokertest.Start(t), hubspottest.Options{Latency: hubspottest.Latency{Fixed: 50 * time.Millisecond}})
	d.start()
	d.send(d.customer("0"))
	d.settle(calm)
	for i, orders := range [][]*sinks.Mutation{
		{d.order("1", "1"), d.customer("1")}, // the deal comes first
		{d.customer("2"), d.order("2", "2")},
		{d.order("3", "0")}, // a customer who is there
	} {
		before := d.calls()
		d.send(orders...)
		var want []string
		for n := range i + 1 {
			want = append(want, []string{"1>1", "2>2", "3>0"}[n])
		}
		d.linkedSoon(calm, want...)
		d.settle(calm)
		if n := d.calls() - before; n > 3 {
			t.Errorf("checkout %d took %d calls", i, n)
		} else {
			t.Logf("checkout %d took %d calls", i, n)
		}
	}
	before := d.calls()
	d.send(d.order("1", "1"), d.customer("1"), d.customer("2"), d.order("2", "2"), d.order("3", "0"), d.customer("0"))
	d.settle(calm)
	time.Sleep(500 * time.Millisecond)
	if n := d.calls() - before; n != 0 {
		t.Errorf("%d calls for what was there", n)
	}
	before = d.calls()
	d.send(d.order("3", "2")) // a customer is corrected: one association made, one ended
	d.linkedSoon(calm, "1>1", "2>2", "3>2")
	if n := d.calls() - before; n != 2 {
		t.Errorf("moving a link took %d calls, want 2", n)
	}

	before = d.calls()
	var want []string
	var burst []*sinks.Mutation
	for i := range 300 {
		o, c := fmt.Sprint("b", i), fmt.Sprint("c", i)
		burst = append(burst, d.order(o, c), d.customer(c))
		want = append(want, o+">"+c)
	}
	d.send(burst...)
	d.linkedSoon(calm, append(want, "1>1", "2>2", "3>2")...)
	n := d.calls() - before
	t.Logf("300 checkouts at once took %d calls", n)
	if n > 60 {
		t.Errorf("300 checkouts at once took %d calls", n)
	}
}

func TestLinksThroughFaultsAndKills(t *testing.T) {
	t.Parallel()
	for seed := range 2 {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			d := newDelivery(t, brokertest.Start(t), hubspottest.Options{Seed: uint64(seed)})
			d.fails("/batch/")
			r := rand.New(rand.NewPCG(uint64(seed), 6))
			customers, orders := map[string]bool{}, map[string][]string{}
			kill := d.start()
			for round := range 3 {
				for range 60 {
					c := fmt.Sprint(r.IntN(6))
					if r.IntN(3) == 0 {
						m := d.customer(c)
						if customers[c] = r.IntN(4) > 0; !customers[c] {
							m.Existence, m.Properties = sinks.Archived, nil
						}
						d.send(m)
					} else {
						o := fmt.Sprint(r.IntN(10))
						orders[o] = nil
						for range r.IntN(3) {
							orders[o] = append(orders[o], fmt.Sprint(r.IntN(6)))
						}
						d.send(d.order(o, orders[o]...))
					}
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
				if round < 2 {
					kill()
					kill = d.start()
				}
			}
			time.Sleep(200 * time.Millisecond)
			d.sim.Clear()
			var want []string
			for o, cs := range orders {
				slices.Sort(cs)
				for _, c := range slices.Compact(cs) {
					if customers[c] {
						want = append(want, o+">"+c)
					}
				}
			}
			d.settle(2 * time.Minute)
			d.linkedSoon(time.Minute, want...)
			keys := map[string]bool{}
			for _, r := range d.sim.Records("deals") {
				if keys[r.Properties[orderKey]] {
					t.Error("a deal is there twice")
				}
				keys[r.Properties[orderKey]] = true
			}
			d.noLetters()
		})
	}
}

func (d *delivery) noLetters() {
	d.t.Helper()
	letters, err := deadletter.List(d.t.Context(), d.c, d.topics, "hubspot", deadletter.Filter{})
	d.must(err)
	if len(letters) != 0 {
		d.t.Errorf("%d dead letters, the first %+v", len(letters), letters[0])
	}
}

// An address that another contact holds is one dead letter: the rest of the
// contact, its deal and their link are written, and so are the others of its
// batch. Once the address is free, a retry brings it.
func TestEmailThatAnotherContactHolds(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprint("whole batch conflicts ", whole), func(t *testing.T) {
			t.Parallel()
			d := newDelivery(t, brokertest.Start(t), hubspottest.Options{WholeBatchConflicts: whole})
			mail := func(key, address string) *sinks.Mutation {
				return d.shopMutation("contacts", customerKey, key, map[string]string{"firstname": "Ann", "lastname": key, "email": address, "woo_email": address})
			}
			d.start()
			d.patient("P-1", sinks.Realtime, sinks.Present, map[string]string{"firstname": "Ann", "email": "ann@clinic.example.org"})
			d.settle(time.Minute)
			d.send(mail("1", "bea@shop.example.org"), mail("2", "Ann@clinic.example.org"), mail("3", "cleo@shop.example.org"), d.order("7", "2"))
			d.settle(time.Minute)
			d.linkedSoon(time.Minute, "7>2")
			email := func(key string) string {
				r := d.sim.Find("contacts", customerKey, key)
				if len(r) != 1 || r[0].Properties["lastname"] != key || r[0].Properties["woo_email"] == "" {
					t.Fatalf("customer %s: %+v", key, r)
				}
				return r[0].Properties["email"]
			}
			if email("1") == "" || email("2") != "" || email("3") == "" {
				t.Errorf("addresses %q, %q, %q: want the second left out", email("1"), email("2"), email("3"))
			}
			letters, err := deadletter.List(t.Context(), d.c, d.topics, "hubspot", deadletter.Filter{})
			d.must(err)
			holder := d.sim.Find("contacts", patientKey, "P-1")[0]
			if len(letters) != 1 || letters[0].Property != "email" || letters[0].Class != "identity" || letters[0].Record.Key != "2" || letters[0].Existing != holder.ID {
				t.Fatalf("dead letters %+v, want one about the e-mail that names the holder %s", letters, holder.ID)
			}
			if strings.Contains(strings.ToLower(letters[0].Message), "ann@") {
				t.Error("the dead letter holds the address")
			}
			before := d.calls()
			d.send(mail("2", "Ann@clinic.example.org"))
			d.settle(time.Minute)
			if n := d.calls() - before; n != 0 {
				t.Errorf("%d calls for an address that was refused", n)
			}
			d.patient("P-1", sinks.Realtime, sinks.Present, map[string]string{"firstname": "Ann", "email": ""})
			again := mail("2", "Ann@clinic.example.org")
			again.Reason = "retry"
			d.settle(time.Minute)
			d.send(again)
			d.settle(time.Minute)
			if email("2") != "ann@clinic.example.org" {
				t.Errorf("after a retry the address is %q", email("2"))
			}
			d.noLetters()
		})
	}
}
