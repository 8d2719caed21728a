package mapping_test

import (
	"encoding/json"
	"testing"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

const ruled = `map: test/alarms
source: s
entity: { root: people, where: active != 0 }
phi: [result]
rules:
  rich:
    when: money(balance) > 500
    then:
      - create: hubspot.tickets
        key: chartwire_ticket_key
        properties: { subject: { is: Rich }, hs_pipeline: { is: Collections }, hs_pipeline_stage: { is: New }, open_medical_patient_id: { from: record.key } }
  alarm:
    when: result == "HH"
    once per: 'text(id) + "!"'
    fresh: { by: local(seen), within: 48h }
    then:
      - create: notify.pages
        lane: safety
        properties: { route: { is: doctors }, title: { is: Look }, text: { from: name } }
      - create: hubspot.tickets
        key: chartwire_ticket_key
        lane: safety
        properties: { subject: { is: Alarm }, hs_pipeline: { is: Patient Safety }, hs_pipeline_stage: { is: New } }
`

func TestRules(t *testing.T) {
	p := compile(t, ruled)
	m := p.Maps[0]
	if got := p.Sinks(); len(got) != 2 || got[0] != "hubspot" || got[1] != "notify" {
		t.Errorf("sinks %v", got)
	}
	if r := m.Rules[1]; r.Lane != sinks.Safety || r.Fresh != 48*time.Hour || m.Rules[0].Lane != sinks.Realtime {
		t.Errorf("rules %+v %+v", m.Rules[0], r)
	}
	e := m.Evaluator()
	names := [...]string{"unknown", "false", "true"}
	f := func(before, after, rich, alarm string, more ...func(*mapping.Input)) *mapping.Output {
		t.Helper()
		out := eval(t, e, before, after, more...)
		for i, want := range []string{rich, alarm} {
			v := out.Verdicts[i]
			if got := names[v.Before] + " " + names[v.Now]; got != want {
				t.Errorf("%q to %q: %s is %s, want %s", before, after, v.Rule.Name, got, want)
			}
		}
		return out
	}
	f("id=1|active=1|balance=500", "id=1|active=1|balance=500.01", "false true", "false false")
	f("", "id=1|active=1", "unknown false", "unknown false") // null is false
	f("", "id=1|balance=900|active=0", "unknown false", "unknown false")
	f("id=1|active=1|balance=900|result=HH", "", "true false", "true false")
	f("", "id=1|active=1|balance=900", "unknown unknown", "unknown false", func(in *mapping.Input) { in.Unknown = []string{"balance"} })
	f("", "id=1|active=1|balance=900", "unknown unknown", "unknown unknown", func(in *mapping.Input) { in.Unknown = []string{"active"} })
	out := f("id=1|active=0|balance=900", "id=1|active=1|balance=900|result=HH|seen=2026-07-01 12:00:00|name=Ann", "false true", "false true")

	v := out.Verdicts[1]
	if v.Once != "1!" || !v.Date.Equal(time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)) || out.Verdicts[0].Once != "1" {
		t.Errorf("latches %q %q, date %s", out.Verdicts[0].Once, v.Once, v.Date)
	}
	made, again := out.Fire(1, 3), out.Fire(1, 3)
	x, _ := json.Marshal(made)
	y, _ := json.Marshal(again)
	if string(x) != string(y) || len(made) != 2 {
		t.Fatalf("two firings of one number differ:\n%s\n%s", x, y)
	}
	page, ticket := made[0], made[1]
	if page.Sink != "notify" || page.Record != (sinks.Record{Object: "pages", Property: "page_key", Key: "test/alarms/alarm:1!:3"}) || page.Lane != sinks.Safety {
		t.Errorf("page %+v", page)
	}
	want := map[string]string{"route": "doctors", "title": "Look", "text": "Ann", "about": "tickets/chartwire_ticket_key/test/alarms/alarm:1!:3"}
	for _, q := range page.Properties {
		if want[q.Name] != q.Value {
			t.Errorf("page: %s is %q", q.Name, q.Value)
		}
		delete(want, q.Name)
	}
	if len(want) > 0 {
		t.Errorf("page lacks %v", want)
	}
	if ticket.Map != "test/alarms/alarm" || ticket.Reason != mapping.ReasonRule || !ticket.Due.Equal(commit.Add(5*time.Second)) || ticket.Record.Key != "test/alarms/alarm:1!:3" {
		t.Errorf("ticket %+v", ticket)
	}
	if got := out.Fire(0, 1)[0]; got.Record.Key != "test/alarms/rich:1:1" || got.Lane != sinks.Realtime || got.Properties[3].Value != "1" {
		t.Errorf("ticket %+v", got)
	}
}

// TestFreshDay counts a date to its end: a result of that day's evening is as
// fresh as one of its morning.
func TestFreshDay(t *testing.T) {
	e := compile(t, `map: test/alarms
source: s
entity: { root: people }
rules:
  alarm:
    when: active != 0
    fresh: { by: born }
    then: [ { create: notify.pages, lane: safety, properties: { route: { is: doctors }, title: { is: Look } } } ]
`).Maps[0].Evaluator()
	out := eval(t, e, "", "id=1|active=1|born=2026-03-29") // the day that has 23 hours in Berlin
	if v := out.Verdicts[0]; !v.Date.Equal(time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC)) || v.Rule.Fresh != 72*time.Hour {
		t.Errorf("date %s, fresh %s", v.Date, v.Rule.Fresh)
	}
	if got := out.Fire(0, 1)[0].Properties; len(got) != 2 {
		t.Errorf("a page about no record has %v", got)
	}
}

func TestFingerprints(t *testing.T) {
	base := compile(t, people).Maps[0].Fingerprint
	f := func(old, new string, changes bool) {
		t.Helper()
		got := compile(t, replace(t, people, old, new)).Maps[0].Fingerprint
		if (got != base) != changes {
			t.Errorf("%s for %s: the fingerprint changes: %t", new, old, got != base)
		}
	}
	f("class: daily", "class: 5m", false) // a deadline is no value
	f("from: money(balance)", "from: ( money( balance ) ) , spec: F1-001", false)
	f("from: money(balance)", "from: 'round(balance, 3)'", true)
	f("on_null: clear, ", "", true)
	f(", write: once", "", true)
	f("on_delete: archive", "on_delete: keep", true)
	f("entity: { root: people }", "entity: { root: people, where: active != 0 }\non_leave: keep", true)
	rule := func(text string) string { return compile(t, text).Maps[0].Rules[0].Fingerprint }
	if rule(ruled) == rule(replace(t, ruled, "> 500", ">= 500")) {
		t.Error("another condition has the same fingerprint")
	}
	if rule(ruled) != rule(replace(t, ruled, "is: Rich", "is: Poor")) {
		t.Error("another subject sets the latches anew")
	}
}
