package hubspottest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIndexesStayTrue runs random writes from several sides at once. Whatever
// happened, no unique value is held by two live records, and finding by index
// equals looking at every record.
func TestIndexesStayTrue(t *testing.T) {
	for seed := range uint64(4) {
		s := New(Options{Seed: seed, Limits: Unlimited})
		now := time.Now()
		s.portal.byName["contacts"].define(Property{Name: "k", Type: "string", FieldType: "text", HasUniqueValue: true, DataSensitivity: "non_sensitive", CreatedAt: &now})
		var wg sync.WaitGroup
		for w := range uint64(4) {
			wg.Go(func() { scramble(t, s, rand.New(rand.NewPCG(seed, w))) })
		}
		wg.Wait()
		checkIndexes(t, s, seed)
	}
}

// scramble makes random calls over few keys, so that they meet.
func scramble(t *testing.T, s *Server, r *rand.Rand) {
	c := &http.Client{Transport: s.Transport()}
	post := func(path string, body any) {
		text, err := json.Marshal(body)
		if err != nil {
			t.Error(err)
			return
		}
		req, err := http.NewRequest("POST", "http://sim/crm/objects/2026-09/contacts/"+path, bytes.NewReader(text))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+DefaultToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if resp.StatusCode >= 500 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	pick := func() string {
		if all := s.Records("contacts"); len(all) > 0 {
			return all[r.IntN(len(all))].ID
		}
		return "1"
	}
	for range 150 {
		switch r.IntN(10) {
		case 0:
			post("merge", map[string]string{"primaryObjectId": pick(), "objectIdToMerge": pick()})
		case 1:
			post("batch/archive", map[string]any{"inputs": []map[string]string{{"id": pick()}}})
		case 2:
			post("gdpr-delete", map[string]string{"objectId": pick()})
		default:
			var inputs []map[string]any
			for i := range 1 + r.IntN(4) {
				p := map[string]string{"email": fmt.Sprintf("e%d@example.com", r.IntN(300))}
				if r.IntN(3) == 0 {
					p = map[string]string{"email": "", "firstname": "x"}
				}
				inputs = append(inputs, map[string]any{"id": fmt.Sprint(r.IntN(12), "-", i), "idProperty": "k", "objectWriteTraceId": fmt.Sprint(i), "properties": p})
			}
			post("batch/upsert", map[string]any{"inputs": inputs})
		}
	}
}

func checkIndexes(t *testing.T, s *Server, seed uint64) {
	t.Helper()
	o := s.portal.byName["contacts"]
	live := 0
	for _, r := range o.order {
		if !r.archived && r.mergedInto == 0 {
			live++
		}
	}
	if live != o.live || live == 0 {
		t.Errorf("seed %d: %d live records, counted %d", seed, live, o.live)
	}
	for _, name := range []string{"email", "k"} {
		p := o.property(name)
		holders := map[string]int64{}
		for _, r := range o.order {
			v := r.text(p)
			if v == "" || r.archived || r.mergedInto != 0 {
				continue
			}
			if other, twice := holders[v]; twice {
				t.Errorf("seed %d: %s %s is held by %d and %d", seed, name, v, other, r.id)
			}
			holders[v] = r.id
			if p.index[p.key(v)] != r {
				t.Errorf("seed %d: %s %s is not found at %d", seed, name, v, r.id)
			}
		}
		for v, r := range p.index {
			if holders[v] != r.id && !strings.Contains(r.text(o.property("hs_additional_emails")), v) {
				t.Errorf("seed %d: %s %s leads to %d, which does not hold it", seed, name, v, r.id)
			}
			if r.archived || r.mergedInto != 0 {
				t.Errorf("seed %d: %s %s leads to a record that is gone", seed, name, v)
			}
		}
	}
}

// TestLinksStayTrue makes, ends and labels random associations while records
// are merged and archived: every association has its inverse, with a type for
// each of its types, and leads to a record that is there.
func TestLinksStayTrue(t *testing.T) {
	for seed := range uint64(4) {
		s := New(Options{Seed: seed, Limits: Unlimited})
		c := &http.Client{Transport: s.Transport()}
		post := func(path string, body any) {
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://sim/crm/"+path, bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+DefaultToken)
			req.Header.Set("Content-Type", "application/json")
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode >= 500 {
				t.Errorf("%s: %d", path, resp.StatusCode)
			}
		}
		post("associations/2026-09/deals/contacts/labels", map[string]string{"label": "A", "name": "a", "inverseLabel": "B"})
		r := rand.New(rand.NewPCG(seed, 9))
		pick := func(object string) string {
			var live []string
			for _, rec := range s.Records(object) {
				if !rec.Archived && rec.MergedInto == "" {
					live = append(live, rec.ID)
				}
			}
			if len(live) == 0 {
				return "1"
			}
			return live[r.IntN(len(live))]
		}
		id := func(object string) map[string]string { return map[string]string{"id": pick(object)} }
		types := [][]map[string]any{
			{{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}},
			{{"associationCategory": "USER_DEFINED", "associationTypeId": 1}},
		}
		for range 400 {
			pair := map[string]any{"from": id("deals"), "to": id("contacts")}
			switch n := r.IntN(20); {
			case n == 0:
				object := []string{"deals", "contacts"}[r.IntN(2)]
				post("objects/2026-09/"+object+"/merge", map[string]string{"primaryObjectId": pick(object), "objectIdToMerge": pick(object)})
			case n == 1:
				object := []string{"deals", "contacts"}[r.IntN(2)]
				post("objects/2026-09/"+object+"/batch/archive", map[string]any{"inputs": []any{id(object)}})
			case n < 5:
				post("objects/2026-09/deals", map[string]any{"properties": map[string]string{"dealname": "D", "dealstage": "contractsent"}})
				post("objects/2026-09/contacts", map[string]any{"properties": map[string]string{"firstname": "C"}})
			case n == 5:
				post("associations/2026-09/deals/contacts/batch/archive", map[string]any{"inputs": []any{map[string]any{"from": id("deals"), "to": []any{id("contacts")}}}})
			case n < 9:
				pair["types"] = types[r.IntN(2)]
				post("associations/2026-09/deals/contacts/batch/labels/archive", map[string]any{"inputs": []any{pair}})
			default:
				pair["types"] = types[r.IntN(2)]
				post("associations/2026-09/deals/contacts/batch/create", map[string]any{"inputs": []any{pair}})
			}
		}
		checkLinks(t, s, seed)
	}
}

func checkLinks(t *testing.T, s *Server, seed uint64) {
	t.Helper()
	n := 0
	for _, o := range s.portal.objects {
		for _, r := range o.order {
			for id, l := range r.links {
				n++
				other := l.object.records[id]
				if r.archived || r.mergedInto != 0 || other == nil || other.archived || other.mergedInto != 0 {
					t.Errorf("seed %d: %s %d is linked with what is gone", seed, o.name, r.id)
					continue
				}
				back := other.links[r.id]
				if back == nil || len(back.types) != len(l.types) {
					t.Errorf("seed %d: %s %d: no inverse", seed, o.name, r.id)
					continue
				}
				plain := false
				for _, lt := range s.portal.linkTypes(o, l.object) {
					if l.types[lt.linkID] != back.types[lt.back()] {
						t.Errorf("seed %d: %s %d: type %v is on one side", seed, o.name, r.id, lt.linkID)
					}
					plain = plain || lt.label == "" && l.types[lt.linkID]
				}
				if !plain {
					t.Errorf("seed %d: %s %d: labels alone", seed, o.name, r.id)
				}
			}
		}
	}
	if n == 0 {
		t.Errorf("seed %d: no associations", seed)
	}
}

func FuzzCanonicalNumber(f *testing.F) {
	for _, s := range []string{"0", "-0.0", "+007.50", ".5", "5.", "1e3", "--1", "12345678901234567890.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := canonicalNumber(s)
		if !ok {
			return
		}
		a, ok1 := new(big.Rat).SetString(strings.TrimSuffix(s, "."))
		b, ok2 := new(big.Rat).SetString(n)
		if !ok1 || !ok2 || a.Cmp(b) != 0 {
			t.Fatalf("%q became %q", s, n)
		}
		if again, ok := canonicalNumber(n); !ok || again != n {
			t.Fatalf("%q is not canonical: %q", n, again)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	f.Add("/crm/objects/2026-09/contacts/batch/upsert")
	f.Add("/crm/v3/objects/contacts/a%2Fb")
	f.Add("/account-info/2026-09/details")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parsePath(s)
		if !ok {
			return
		}
		parts := []string{p.prefix}
		for _, r := range p.rest {
			parts = append(parts, url.PathEscape(r))
		}
		again, ok := parsePath(strings.Join(parts, "/"))
		if !ok || again.family != p.family || again.version != p.version || strings.Join(again.rest, "\x00") != strings.Join(p.rest, "\x00") {
			t.Fatalf("%q: %+v, then %+v", s, p, again)
		}
		p.template()
	})
}

func FuzzParseInstant(f *testing.F) {
	for _, s := range []string{"2026-01-02", "2026-01-02T03:04:05.678Z", "1767312000000", "2026-01-02T03:04:05+02:00", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := parseInstant(s)
		if !ok || at.Year() < 0 || at.Year() > 9999 {
			return
		}
		again, ok := parseInstant(stamp(at))
		if !ok || !again.Equal(at) {
			t.Fatalf("%q is %s, written as %q", s, at, stamp(at))
		}
	})
}
