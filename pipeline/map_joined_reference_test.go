package pipeline_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
	"chartwire/sinks"

	"github.com/google/go-cmp/cmp"
)

// The reference of joined maps: what the records are, said by a walk over the
// tables as they are.

// expected says what the records are, from the tables as they are.
func (w *joinedWorld) expected() map[string]string {
	out := map[string]string{}
	orders := w.rows["orders"]
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	or := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	term := func(o cells) string {
		if id, ok := o["term_id"]; ok {
			return w.rows["terms"][number(id)]["name"]
		}
		return ""
	}
	guests := map[string][]int{}
	for _, id := range slices.Sorted(maps.Keys(orders)) {
		o := orders[id]
		if o["kind"] != "order" {
			continue
		}
		if email := strings.ToLower(o["email"]); o["customer"] == "0" && email != "" {
			guests[email] = append(guests[email], id)
		}
		total := number(o["total"])
		for _, r := range orders {
			if p, ok := r["parent"]; ok && r["kind"] == "refund" && number(p) == id {
				total += number(r["total"])
			}
		}
		people := 0
		for _, p := range w.rows["people"] {
			if p["email"] != "" && strings.EqualFold(p["email"], o["email"]) {
				people++
			}
		}
		var items []string
		for _, n := range slices.Sorted(maps.Keys(w.rows["items"])) {
			i := w.rows["items"][n]
			if i["order_id"] != strconv.Itoa(id) {
				continue
			}
			meta := map[string]string{}
			for _, k := range slices.Sorted(maps.Keys(w.rows["metas"])) {
				if m := w.rows["metas"][k]; m["item_id"] == strconv.Itoa(n) {
					meta[m["k"]] = m["v"]
				}
			}
			items = append(items, or(i["name"])+":"+or(meta["qty"])+":"+or(w.rows["products"][number(meta["product"])]["title"]))
		}
		out[fmt.Sprint("orders/", id)] = fmt.Sprintf("status=%s total=%d items=%s term=%s people=%d", o["status"], total, strings.Join(items, "|"), term(o), people)
	}
	for email, ids := range guests {
		total, list := 0, []string{}
		for _, id := range ids {
			total += number(orders[id]["total"])
			list = append(list, strconv.Itoa(id))
		}
		last := orders[ids[len(ids)-1]]
		out["guests/"+email] = fmt.Sprintf("status=%s total=%d items=%s term=%s people=", last["status"], total, strings.Join(list, "/"), term(last))
	}
	return out
}

// shown gives the records as the topics of mutations say they are.
func (w *joinedWorld) shown(got *written) map[string]string {
	out := map[string]string{}
	newest := map[string]*sinks.Mutation{}
	for _, m := range got.all {
		newest[m.Record.Object+"/"+m.Record.Key] = m
	}
	for key, m := range newest {
		if m.Existence == sinks.Archived || m.Reason == mapping.ReasonRule {
			continue
		}
		values := map[string]string{}
		for _, p := range m.Properties {
			values[p.Name] = p.Value
		}
		out[key] = fmt.Sprintf("status=%s total=%s items=%s term=%s people=%s", values["status"], values["total"], values["items"], values["term"], values["people"])
	}
	return out
}

// verify holds what was written against the tables.
func (w *joinedWorld) verify() *written {
	w.Helper()
	got := w.written()
	want := w.expected()
	maps.DeleteFunc(want, func(key, _ string) bool {
		object, _, _ := strings.Cut(key, "/")
		return !strings.Contains(w.maps, "record: hubspot."+object)
	})
	if d := cmp.Diff(want, w.shown(got)); d != "" {
		w.Errorf("records differ (-want +got):\n%s", d)
	}
	for _, m := range got.all {
		if key := m.Record.Object + "/" + m.Record.Key; m.Existence == sinks.Archived && !w.gone[key] {
			w.Errorf("%s was archived, and was always there", key)
		}
	}
	return got
}

// verifyState holds the local state of a map that has stopped against the
// tables: its rows, and that each is found under its texts and no other.
func (w *joinedWorld) verifyState(dir string, p *mapping.Program) {
	w.Helper()
	db, err := state.Open(state.Options{Dir: dir, Flow: w.topics.Prefix + "." + w.flow})
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	want, got := map[string]string{}, map[string]string{}
	for name, rows := range w.rows {
		in := w.source(name)
		for id, c := range rows {
			want[fmt.Sprint(name, " ", id)] = string(w.image(name, id, c))
		}
		for r, err := range db.Rows(state.Table{Source: in.source, TableID: in.tables[name].ID()}, "") {
			if err != nil {
				w.Fatal(err)
			}
			got[name+" "+r.Key] = string(r.Data)
		}
	}
	for _, ix := range p.Indexes() {
		k, in := ix.Keyer(), w.source(ix.Table.Name)
		for id, c := range w.rows[ix.Table.Name] {
			text, ok, err := k.Text(nil, in.schema[in.ids[ix.Table.Name]%omSchemas], w.image(ix.Table.Name, id, c))
			if err != nil {
				w.Fatal(err)
			}
			if ok {
				want[fmt.Sprintf("%s %s %q %d", ix.ID, ix.Table.Name, text, id)] = ""
			}
		}
		for text, err := range db.Texts(ix.ID, nil) {
			if err != nil {
				w.Fatal(err)
			}
			for key, err := range db.Found(ix.ID, text, "") {
				if err != nil {
					w.Fatal(err)
				}
				got[fmt.Sprintf("%s %s %q %s", ix.ID, ix.Table.Name, text, key)] = ""
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		w.Errorf("the local state differs (-want +got):\n%s", d)
	}
}
