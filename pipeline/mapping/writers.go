package mapping

import (
	"maps"
	"slices"
	"strings"
)

// oneWriter notes properties that two maps write to the same records. Maps bound
// from one file to several sources write different records, and so do maps whose
// keys are different properties. Of two that take turns each learns of the other.
func oneWriter(list []*Map, problems *Problems) {
	writers := map[string][]*Map{}
	for _, m := range list {
		r, f := m.plan.record, m.plan.file
		for i, p := range f.props {
			if i >= len(m.plan.props) {
				break
			}
			id := r.sink + "." + r.object + "." + f.keyName.text + "." + p.name.text
			for _, other := range writers[id] {
				if other.plan.file == f || apart(other, m) || apart(m, other) {
					continue
				}
				if exclude(other, m) {
					if other.Source == m.Source {
						other.Twin, m.Twin = m.Name, other.Name
					}
					continue
				}
				*problems = append(*problems, Problem{f.file, p.name.line, p.name.column, "the property " + p.name.text + " of " + r.sink + "." + r.object +
					" is written by the map " + other.Name + " too, and nothing says which wins; let one of them write it"})
				break
			}
			writers[id] = append(writers[id], m)
		}
	}
}

// apart says whether the one's records are all named by guest() and none of the
// other's is: no other expression gives such a name.
func apart(guests, others *Map) bool {
	g, o := guests.plan.file.key.String(), others.plan.file.key.String()
	return strings.HasPrefix(g, "guest(") && !strings.Contains(o, "guest(")
}

// exclude says whether two maps are never at work at once: one while, the other
// unless the same condition holds.
func exclude(a, b *Map) bool {
	return a.While != nil && b.While != nil && a.While.Fingerprint == b.While.Fingerprint && a.While.Unless != b.While.Unless
}

// CheckFlows says which properties are written by maps of two flows: nothing
// would order what they write. The error is a [Problems].
func CheckFlows(flows map[string]*Program) error {
	var all []*Map
	for _, name := range slices.Sorted(maps.Keys(flows)) {
		all = append(all, flows[name].Maps...)
	}
	var problems Problems
	if oneWriter(all, &problems); len(problems) > 0 {
		return problems.sorted()
	}
	return nil
}
