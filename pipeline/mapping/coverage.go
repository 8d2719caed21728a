package mapping

import (
	"cmp"
	"fmt"
	"slices"
)

// Covered says where a requirement is met, or why it is met otherwise.
type Covered struct {
	ID    string // such as F1-001
	Map   string
	Place string // file:line
	By    string // "property patient_status_om", "rule high-balance"; empty if only Why is there
	// Why is the reason why it is met otherwise than the requirement says, or
	// not yet; empty if it is met as it says.
	Why string
}

// Coverage lists the requirements that the maps name, in the order of their
// ids: one line for each place.
func (p *Program) Coverage() []Covered {
	var out []Covered
	done := map[*mapFile]bool{}
	for _, m := range p.Maps {
		f := m.plan.file
		if done[f] {
			continue
		}
		done[f] = true
		why := map[string]string{}
		for _, x := range f.instead {
			why[x.from.text] = x.to.text
		}
		at := len(out)
		add := func(by string, spec []scalar) {
			for _, s := range spec {
				out = append(out, Covered{ID: s.text, Map: m.Name, Place: fmt.Sprintf("%s:%d", f.file, s.line), By: by, Why: why[s.text]})
			}
		}
		for _, x := range f.props {
			add("property "+x.name.text, x.spec)
		}
		add("key "+f.keyName.text, f.keySpec)
		for _, r := range f.rules {
			add("rule "+r.name.text, r.spec)
		}
		for _, x := range f.instead {
			if !slices.ContainsFunc(out[at:], func(c Covered) bool { return c.ID == x.from.text }) {
				out = append(out, Covered{ID: x.from.text, Map: m.Name, Place: fmt.Sprintf("%s:%d", f.file, x.from.line), Why: x.to.text})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Covered) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
