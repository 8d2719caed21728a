package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"chartwire/sinks/hubspot/hubspottest"
)

// Account is what is compared: the stand-in for HubSpot, once it is provisioned.
type Account struct {
	Sim    *hubspottest.Server
	labels map[string]string // of pipelines and stages, by their ids; asked once
}

// Differences compares what HubSpot holds of the shop with what should be
// there: expected by the final tables, and past by the log of changes. It names
// records and properties, never values.
func (a *Account) Differences(expected map[ID]*Record, past map[ID]*Past) ([]string, error) {
	if a.labels == nil {
		labels, err := stageLabels(a.Sim)
		if err != nil {
			return nil, err
		}
		a.labels = labels
	}
	h := &holding{byKey: map[ID]hubspottest.Record{}, byID: map[string]ID{}}
	for _, key := range keys {
		for _, r := range a.Sim.Records(key.Object) {
			value := r.Properties[key.Property]
			if value == "" || r.Archived {
				continue
			}
			id := ID{key.Object, key.Property, value}
			if _, twice := h.byKey[id]; twice {
				h.note(id, "is there twice")
			}
			for _, p := range []string{"pipeline", "dealstage"} {
				if label, ok := a.labels[r.Properties[p]]; ok {
					r.Properties[p] = label
				}
			}
			h.byKey[id], h.byID[r.Object+"/"+r.ID] = r, id
		}
	}
	for id, want := range expected {
		h.compare(id, want, past[id])
	}
	for id, r := range h.byKey {
		if expected[id] == nil {
			h.left(id, &r, past[id])
		}
	}
	for id, p := range past {
		if p.Live && expected[id] == nil {
			h.note(id, "lives by the log of changes, and the tables do not know it: the oracles disagree")
		}
	}
	slices.Sort(h.notes)
	return h.notes, nil
}

// keys are the properties by which the shop's records are found.
var keys = []ID{{Object: "contacts", Property: "woocommerce_customer_id"}, {Object: "products", Property: "woo_product_id"},
	{Object: "deals", Property: "woocommerce_order_id"}, {Object: "deals", Property: "woocommerce_subscription_id"}}

// holding is what HubSpot holds of the shop.
type holding struct {
	byKey map[ID]hubspottest.Record
	byID  map[string]ID
	notes []string
}

func (h *holding) note(id ID, format string, args ...any) {
	h.notes = append(h.notes, fmt.Sprintf("%s %s: %s", id.Object, id.Key, fmt.Sprintf(format, args...)))
}

func (h *holding) compare(id ID, want *Record, past *Past) {
	have, ok := h.byKey[id]
	if !ok {
		h.note(id, "is missing")
		return
	}
	for name, value := range want.Properties {
		if have.Properties[name] != value {
			h.note(id, "%s is not what the rows say (%d characters, should be %d)", name, len(have.Properties[name]), len(value))
		}
	}
	if past == nil || !past.Live {
		h.note(id, "is expected by the tables, and not by the log of changes: the oracles disagree")
		return
	}
	for name, values := range past.Values {
		if _, said := want.Properties[name]; !said && !slices.Contains(values, have.Properties[name]) {
			h.note(id, "%s is not what it was when it was last known", name)
		}
	}
	for name, to := range want.Links {
		if _, there := h.byKey[to]; there && !h.linked(&have, to) {
			h.note(id, "is not linked to its %s", name)
		}
	}
	for _, l := range have.Links {
		to, ours := h.byID[l.Object+"/"+l.ID]
		// A link is seen from both ends, and is said by deals.
		if ours && id.Object == "deals" && !h.meant(id, want, to) {
			h.note(id, "is linked to the %s %s, and should not be", to.Object, to.Key)
		}
	}
}

// meant says whether a deal, or the deal at the other end, should have the link.
func (h *holding) meant(id ID, want *Record, to ID) bool {
	for _, l := range want.Links {
		if l == to {
			return true
		}
	}
	return to.Property == "woocommerce_subscription_id" && id.Property == "woocommerce_order_id"
}

func (h *holding) linked(r *hubspottest.Record, to ID) bool {
	return slices.ContainsFunc(r.Links, func(l hubspottest.Link) bool { return h.byID[l.Object+"/"+l.ID] == to })
}

// left looks at a record that HubSpot has and the tables have not.
func (h *holding) left(id ID, have *hubspottest.Record, past *Past) {
	switch {
	case past == nil:
		h.note(id, "was never a row of the shop")
	case id.Object != "contacts":
		h.note(id, "should have been archived")
	case have.Properties["woo_record_active"] != "false":
		h.note(id, "has left and is not marked so")
	case have.Properties["email"] != "":
		h.note(id, "has left and keeps the address from others")
	default:
		for name, values := range past.Values {
			if !slices.Contains(values, have.Properties[name]) {
				h.note(id, "%s is not what it was when it was last known", name)
			}
		}
	}
}

// stageLabels asks the stand-in what its pipelines and stages are called.
func stageLabels(sim *hubspottest.Server) (map[string]string, error) {
	req, err := http.NewRequest(http.MethodGet, "https://api.hubapi.com/crm/pipelines/2026-09/deals", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+hubspottest.DefaultToken)
	resp, err := (&http.Client{Transport: sim.Transport()}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for the pipelines: %s", resp.Status)
	}
	var body struct {
		Results []struct {
			ID, Label string
			Stages    []struct{ ID, Label string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("reading the pipelines: %w", err)
	}
	out := map[string]string{}
	for _, p := range body.Results {
		out[p.ID] = p.Label
		for _, s := range p.Stages {
			out[s.ID] = s.Label
		}
	}
	return out, nil
}
