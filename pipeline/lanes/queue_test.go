package lanes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chartwire/pipeline/lanes"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func wide() [4]lanes.Limit {
	l := lanes.Limit{Records: 1000, Bytes: 1 << 20}
	return [4]lanes.Limit{l, l, l, l}
}

func any100(string, int) int { return 100 }

// arrival makes one of record key with properties name=value, in lanes like
// the arrival's own unless the name starts with "s" (safety).
func arrival(key string, version int64, lane sinks.Lane, due time.Duration, props ...string) lanes.Arrival {
	m := &sinks.Mutation{Flow: "f", Map: "f/m", Record: sinks.Record{Object: "contacts", Property: "id", Key: key},
		Version: version, Lane: lane, Commit: t0, Existence: sinks.Present}
	if lane != sinks.Backfill {
		m.Due = t0.Add(due)
	}
	for i := 0; i < len(props); i += 2 {
		p := sinks.Property{Name: props[i], State: sinks.Set, Value: props[i+1], Lane: max(lane, sinks.Realtime)}
		if props[i][0] == 's' {
			p.Lane = sinks.Safety
		}
		m.Properties = append(m.Properties, p)
	}
	return lanes.Arrival{Mutation: m, Lane: lane, Ref: lanes.Ref{Offset: version}, Rest: sinks.Realtime, RestDue: t0.Add(due + time.Hour)}
}

// keys gives the keys of picked records.
func keys(recs []*lanes.Record) []string {
	out := []string{}
	for _, r := range recs {
		out = append(out, r.ID.Key)
	}
	return out
}

// held gives name=value of a call's parts.
func held(rec *lanes.Record) []string {
	out := []string{}
	for _, p := range rec.Call() {
		for _, v := range p.Values {
			out = append(out, v.Name+"="+v.Value)
		}
	}
	slices.Sort(out)
	return out
}

func refs(items []*lanes.Item) []int64 {
	out := []int64{}
	for _, it := range items {
		out = append(out, it.Ref.Offset)
	}
	slices.Sort(out)
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestOrderInALane(t *testing.T) {
	tests := []struct {
		name string
		in   []lanes.Arrival
		lane sinks.Lane
		want []string
	}{
		{"earliest deadline first", []lanes.Arrival{
			arrival("a", 1, sinks.Routine, 3*time.Minute), arrival("b", 2, sinks.Routine, time.Minute), arrival("c", 3, sinks.Routine, 2*time.Minute),
		}, sinks.Routine, []string{"b", "c", "a"}},
		{"backfill as it came", []lanes.Arrival{
			arrival("c", 1, sinks.Backfill, 0), arrival("a", 2, sinks.Backfill, 0), arrival("b", 3, sinks.Backfill, 0),
		}, sinks.Backfill, []string{"c", "a", "b"}},
		{"a more urgent change takes its record along", []lanes.Arrival{
			arrival("a", 1, sinks.Routine, time.Minute), arrival("b", 2, sinks.Routine, 2*time.Minute), arrival("b", 3, sinks.Routine, time.Second),
		}, sinks.Routine, []string{"b", "a"}},
		{"and from a slower lane too", []lanes.Arrival{
			arrival("a", 1, sinks.Backfill, 0), arrival("b", 2, sinks.Realtime, 0), arrival("a", 3, sinks.Realtime, time.Second),
		}, sinks.Realtime, []string{"b", "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := lanes.New(wide())
			for _, a := range tt.in {
				q.Add(a)
			}
			equal(t, "order", keys(q.Pick(tt.lane, any100)), tt.want)
			if again := q.Pick(tt.lane, any100); len(again) != 0 {
				t.Errorf("picked twice: %v", keys(again))
			}
		})
	}
}

func TestCoalescing(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 2, sinks.Routine, 0, "x", "new", "y", "1"))
	q.Add(arrival("a", 1, sinks.Backfill, 0, "x", "old", "z", "2"))
	q.Add(arrival("a", 3, sinks.Routine, 0, "y", "3"))
	recs := q.Pick(sinks.Routine, any100)
	equal(t, "records", keys(recs), []string{"a"})
	equal(t, "values", held(recs[0]), []string{"x=new", "y=3", "z=2"})
	equal(t, "complete", refs(q.Land(recs[0], nil)), []int64{1, 2, 3})
	if got := q.Pick(sinks.Backfill, any100); got != nil {
		t.Errorf("the slower lane still has %v", keys(got))
	}
}

func TestSafetyTakesItsPropertiesOnly(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 1, sinks.Safety, 0, "s1", "critical", "x", "1"))
	recs := q.Pick(sinks.Safety, any100)
	equal(t, "safety", held(recs[0]), []string{"s1=critical"})
	q.Add(arrival("a", 2, sinks.Realtime, 0, "y", "2"))
	if got := q.Pick(sinks.Realtime, any100); got != nil {
		t.Fatalf("a second call in the air: %v", keys(got))
	}
	equal(t, "the first half completes nothing", refs(q.Land(recs[0], nil)), []int64{})
	recs = q.Pick(sinks.Realtime, any100)
	equal(t, "rest", held(recs[0]), []string{"x=1", "y=2"})
	equal(t, "complete", refs(q.Land(recs[0], nil)), []int64{1, 2})
	for _, lane := range sinks.Lanes {
		if n, bytes := q.Waiting(lane); n != 0 || bytes != 0 {
			t.Errorf("%s: %d wait, %d bytes charged", lane, n, bytes)
		}
	}
}

func TestWidenSendsAllForACreation(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 1, sinks.Safety, 0, "s1", "critical", "x", "1"))
	recs := q.Pick(sinks.Safety, any100)
	q.Widen(recs[0])
	equal(t, "values", held(recs[0]), []string{"s1=critical", "x=1"})
	equal(t, "complete", refs(q.Land(recs[0], nil)), []int64{1})
}

func TestUnsentComesBackAsItWas(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 1, sinks.Realtime, 0, "x", "1"))
	q.Add(arrival("b", 2, sinks.Realtime, time.Second, "x", "1"))
	q.Back(q.Pick(sinks.Realtime, any100))
	equal(t, "order", keys(q.Pick(sinks.Realtime, any100)), []string{"a", "b"})
}

func TestRetryMeetsWhatCameMeanwhile(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 1, sinks.Realtime, 0, "x", "B"))
	rec := q.Pick(sinks.Realtime, any100)[0]
	q.Add(arrival("a", 2, sinks.Realtime, 0, "x", "A"))
	later := t0.Add(time.Second)
	q.Land(rec, func(p *lanes.Part) bool {
		p.NotBefore, p.Doubt = later, later
		return true
	})
	if got := q.Pick(sinks.Realtime, any100); got != nil {
		t.Fatalf("picked %v before its time", keys(got))
	}
	equal(t, "time of the next", q.Wake(t0), later)
	q.Wake(later)
	rec = q.Pick(sinks.Realtime, any100)[0]
	equal(t, "values", held(rec), []string{"x=A"})
	equal(t, "doubt", rec.Doubt(), later)
	equal(t, "complete", refs(q.Land(rec, nil)), []int64{1, 2})
}

func TestDoubtHoldsAllButSafety(t *testing.T) {
	q := lanes.New(wide())
	until := t0.Add(time.Minute)
	a := arrival("a", 1, sinks.Safety, 0, "s1", "critical", "x", "1")
	a.Doubt, a.NotBefore = until, until
	q.Add(a)
	if got := q.Pick(sinks.Realtime, any100); got != nil {
		t.Fatalf("the rest goes at once: %v", keys(got))
	}
	rec := q.Pick(sinks.Safety, any100)[0]
	equal(t, "values", held(rec), []string{"s1=critical"})
	q.Land(rec, func(p *lanes.Part) bool {
		p.Again, p.NotBefore = true, until
		return true
	})
	if got := q.Pick(sinks.Safety, any100); got != nil {
		t.Fatalf("the second write does not wait: %v", keys(got))
	}
	q.Add(arrival("a", 2, sinks.Safety, 0, "s1", "worse"))
	rec = q.Pick(sinks.Safety, any100)[0]
	equal(t, "what is new goes at once", held(rec), []string{"s1=worse"})
}

func TestFullLaneMakesItsOldestDue(t *testing.T) {
	limits := wide()
	limits[sinks.Routine].Records = 3
	q := lanes.New(limits)
	q.Add(arrival("daily", 1, sinks.Routine, 24*time.Hour))
	q.Add(arrival("b", 2, sinks.Routine, time.Minute))
	if q.Full(sinks.Routine) {
		t.Fatal("full with 2 of 3")
	}
	q.Add(arrival("c", 3, sinks.Routine, time.Minute))
	if !q.Full(sinks.Routine) {
		t.Fatal("not full with 3 of 3")
	}
	one := func(string, int) int { return 1 }
	equal(t, "first", keys(q.Pick(sinks.Routine, one)), []string{"daily"})
}

func TestCoalescingMakesRoom(t *testing.T) {
	limits := wide()
	limits[sinks.Routine] = lanes.Limit{Records: 2, Bytes: 1 << 20}
	q := lanes.New(limits)
	for i := range int64(1000) {
		q.Add(arrival("a", i, sinks.Routine, 0, "x", "1"))
	}
	if q.Full(sinks.Routine) {
		t.Error("a thousand changes of one record fill the lane")
	}
	limits[sinks.Routine] = lanes.Limit{Records: 2000, Bytes: 100_000}
	q = lanes.New(limits)
	for i := range int64(1000) {
		q.Add(arrival("a", i, sinks.Routine, 0, "x", "1"))
	}
	if !q.Full(sinks.Routine) {
		t.Error("a thousand arrivals cost nothing")
	}
}

func TestSuspectsTravelAlone(t *testing.T) {
	q := lanes.New(wide())
	for i, key := range []string{"a", "b", "c", "d"} {
		q.Add(arrival(key, int64(i), sinks.Realtime, time.Duration(i)))
	}
	for _, rec := range q.Pick(sinks.Realtime, any100) {
		q.Land(rec, func(p *lanes.Part) bool {
			if rec.ID.Key == "a" || rec.ID.Key == "b" {
				p.Attempts = 9
			}
			return true
		})
	}
	batch := func(_ string, attempts int) int {
		if attempts > 0 {
			return 1
		}
		return 100
	}
	for _, want := range [][]string{{"a"}, {"b"}, {"c", "d"}} {
		equal(t, "batch", keys(q.Pick(sinks.Realtime, batch)), want)
	}
}

func TestDropForgetsAFlow(t *testing.T) {
	q := lanes.New(wide())
	q.Add(arrival("a", 1, sinks.Safety, 0, "s1", "1", "x", "1"))
	b := arrival("a", 2, sinks.Realtime, 0, "y", "2")
	b.Mutation.Flow = "other"
	q.Add(b)
	q.Drop("f")
	recs := q.Pick(sinks.Realtime, any100)
	equal(t, "values", held(recs[0]), []string{"y=2"})
	equal(t, "complete", refs(q.Land(recs[0], nil)), []int64{2})
	if n, bytes := q.Waiting(sinks.Safety); n != 0 || bytes != 0 {
		t.Errorf("%d wait, %d bytes charged", n, bytes)
	}
}

// TestRandom does what Deliver does, in random order, and looks at what holds:
// one call per record, every arrival complete once, and at the destination the
// newest value of every property.
func TestRandom(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		q := lanes.New(wide())
		now := t0
		want, got := map[string]int64{}, map[string]int64{}
		air := map[string]*lanes.Record{}
		done := map[int64]bool{}
		added := int64(0)
		for step := 0; step < 400 || len(done) < int(added); step++ {
			if step > 20000 {
				t.Fatalf("seed %d: %d of %d complete", seed, len(done), added)
			}
			now = now.Add(time.Duration(r.IntN(100)) * time.Millisecond)
			q.Wake(now)
			lane := sinks.Lanes[r.IntN(4)]
			switch r.IntN(3) {
			case 0:
				if step >= 400 {
					continue
				}
				added++
				a := arrival(fmt.Sprint(r.IntN(5)), added, lane, time.Duration(r.IntN(1000))*time.Millisecond)
				for _, name := range []string{"s1", "s2", "x", "y", "z"} {
					if r.IntN(2) == 0 {
						p := sinks.Property{Name: name, State: sinks.Set, Lane: sinks.Routine}
						if name[0] == 's' {
							p.Lane = sinks.Safety
						}
						a.Mutation.Properties = append(a.Mutation.Properties, p)
						want[a.Mutation.Record.Key+name] = added
					}
				}
				if r.IntN(10) == 0 {
					a.NotBefore = now.Add(200 * time.Millisecond)
				}
				q.Add(a)
			case 1:
				for _, rec := range q.Pick(lane, func(string, int) int { return 1 + r.IntN(3) }) {
					if air[rec.ID.Key] != nil {
						t.Fatalf("seed %d: record %s is in the air twice", seed, rec.ID.Key)
					}
					switch r.IntN(5) {
					case 0:
						q.Back([]*lanes.Record{rec})
						continue
					case 1:
						q.Widen(rec)
					}
					air[rec.ID.Key] = rec
				}
			case 2:
				for key, rec := range air {
					delete(air, key)
					retry := r.IntN(3) == 0
					if !retry {
						for _, p := range rec.Call() {
							for _, v := range p.Values {
								got[key+v.Name] = max(got[key+v.Name], v.From.Version)
							}
						}
					}
					for _, it := range q.Land(rec, func(p *lanes.Part) bool {
						p.NotBefore = now.Add(50 * time.Millisecond)
						return retry
					}) {
						if done[it.Ref.Offset] {
							t.Fatalf("seed %d: arrival %d is complete twice", seed, it.Ref.Offset)
						}
						done[it.Ref.Offset] = true
					}
					break
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d: versions at the destination (-want +got):\n%s", seed, d)
		}
		for _, lane := range sinks.Lanes {
			if n, bytes := q.Waiting(lane); n != 0 || bytes != 0 {
				t.Fatalf("seed %d: %s: %d wait, %d bytes charged at the end", seed, lane, n, bytes)
			}
		}
	}
}
