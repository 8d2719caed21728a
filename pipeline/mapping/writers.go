package mapping

import (
	"maps"
	"slices"
)

// oneWriter notes properties that two maps write to the same kind of record.
// Maps bound from one file to several sources write different records.
func oneWriter(list []*Map, problems *Problems) {
	first := map[string]*Map{}
	for _, m := range list {
		r := m.plan.record
		for i, p := range m.plan.file.props {
			if i >= len(m.plan.props) {
				break
			}
			id := r.sink + "." + r.object + "." + p.name.text
			other := first[id]
			if other == nil {
				first[id] = m
			} else if other.plan.file != m.plan.file && !exclude(other, m) {
				*problems = append(*problems, Problem{m.plan.file.file, p.name.line, p.name.column, "the property " + p.name.text + " of " + r.sink + "." + r.object +
					" is written by the map " + other.Name + " too, and nothing says which wins; let one of them write it"})
			}
		}
	}
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
