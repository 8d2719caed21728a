package hubspot

import (
	"strings"
	"time"

	"chartwire/sinks"
)

// relearn bounds how often an unknown label makes the definitions be read anew.
const relearn = time.Minute

// resolve turns labels into the account's ids and returns the items that can
// be sent. A label that the account does not have is sent as it is: HubSpot
// says in its own words what it would take.
func (j *job) resolve(items []*item) []*item {
	a := j.s.account.Load()
	if a == nil || a.objects[j.object] == nil {
		for _, it := range items {
			it.values = rawValues(it)
		}
		return items
	}
	if !a.knows(j.object, items) && j.s.mayRelearn() {
		if _, fresh, err := j.s.readAll(j.ctx, []string{j.object}); err == nil && fresh.objects[j.object] != nil {
			a = j.s.learn(j.object, fresh)
		}
	}
	var unclear []*item
	for _, it := range items {
		if !a.resolve(j.object, it, "") {
			unclear = append(unclear, it)
		}
	}
	j.stages(a, unclear)
	ready := make([]*item, 0, len(items))
	for _, it := range items {
		if !it.done {
			ready = append(ready, it)
		}
	}
	return ready
}

func rawValues(it *item) map[string]string {
	values := make(map[string]string, len(it.Properties))
	for i := range it.Properties {
		p := &it.Properties[i]
		if values[p.Name] = p.Value; p.State == sinks.Clear {
			values[p.Name] = ""
		}
	}
	return values
}

func (s *Sink) mayRelearn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.asked) >= relearn {
		s.asked = now
		return true
	}
	return false
}

// learn replaces one object's definitions.
func (s *Sink) learn(object string, fresh *account) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.account.Load()
	next := *old
	next.objects = make(map[string]*definitions, len(old.objects))
	for k, v := range old.objects {
		next.objects[k] = v
	}
	next.objects[object] = fresh.objects[object]
	if fresh.owners != nil {
		next.owners = fresh.owners
	}
	s.account.Store(&next)
	return &next
}

// knows reports whether every label of the items is one of the account's.
func (a *account) knows(object string, items []*item) bool {
	d := a.objects[object]
	for _, it := range items {
		for i := range it.Properties {
			p := &it.Properties[i]
			if p.State != sinks.Set || p.Value == "" {
				continue
			}
			known := true
			switch {
			case p.Name == d.pipeline:
				_, known = d.pipelines[fold1(p.Value)]
			case p.Name == d.stage:
				known = len(d.pipelinesWith(p.Value)) > 0
			case p.Name == ownerProperty && strings.Contains(p.Value, "@"):
				_, known = a.owners[fold1(p.Value)]
			case d.options[p.Name] != nil && len(d.options[p.Name]) > 0:
				_, known = d.option(p.Name, p.Value)
			}
			if !known {
				return false
			}
		}
	}
	return true
}

// resolve fills the values of an item. It reports false if a stage of that
// label is in several pipelines and the write does not say which is meant;
// pipeline is then the one that the record is in.
func (a *account) resolve(object string, it *item, pipeline string) bool {
	d := a.objects[object]
	it.values = rawValues(it)
	if label := it.values[d.pipeline]; label != "" {
		if id, ok := d.pipelines[fold1(label)]; ok {
			it.values[d.pipeline], pipeline = id, id
		}
	}
	clear := true
	for name, value := range it.values {
		switch {
		case value == "" || name == d.pipeline:
		case name == d.stage:
			if pipeline == "" {
				with := d.pipelinesWith(value)
				if clear = len(with) < 2; len(with) == 1 {
					it.values[name] = d.stages[with[0]][fold1(value)]
				}
			} else if id, ok := d.stages[pipeline][fold1(value)]; ok {
				it.values[name] = id
			}
		case name == ownerProperty:
			if id, ok := a.owners[fold1(value)]; ok {
				it.values[name] = id
			}
		default:
			if id, ok := d.option(name, value); ok {
				it.values[name] = id
			}
		}
	}
	return clear
}

// pipelinesWith lists the pipelines that have the stage. An id is in one only.
func (d *definitions) pipelinesWith(stage string) []string {
	var ids []string
	for id, stages := range d.stages {
		if _, ok := stages[fold1(stage)]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// option resolves an option, or each of several between semicolons.
func (d *definitions) option(property, text string) (string, bool) {
	values := d.options[property]
	if values == nil {
		return text, false
	}
	if !d.several[property] {
		v, ok := values[fold1(text)]
		return v, ok
	}
	parts, all := strings.Split(text, ";"), true
	for i, part := range parts {
		if fold1(part) == "" {
			continue
		}
		v, ok := values[fold1(part)]
		if all = all && ok; ok {
			parts[i] = v
		}
	}
	return strings.Join(parts, ";"), all
}

// stages asks HubSpot which pipeline the records are in whose new stage is in
// several.
func (j *job) stages(a *account, items []*item) {
	if len(items) == 0 {
		return
	}
	d := a.objects[j.object]
	byKey := map[string][]*item{}
	for _, it := range items {
		byKey[it.Record.Property] = append(byKey[it.Record.Property], it)
	}
	for unique, group := range byKey {
		found, err := j.lookUp(unique, group, []string{d.pipeline})
		if err != nil {
			failAll(group, err)
			continue
		}
		for _, it := range group {
			pipeline := ""
			if r := found[it]; r != nil {
				pipeline, _ = r.text(d.pipeline)
			}
			if !a.resolve(j.object, it, pipeline) {
				it.fail(&sinks.Rejected{Property: d.stage, Code: "AMBIGUOUS_STAGE", Class: "invalid_option",
					Message: "several pipelines have this stage, and the write names no pipeline: map " + d.pipeline + " too"})
			}
		}
	}
}

// spoken puts what HubSpot holds of labelled properties into the words of the
// write: as it was sent where that is what is held, else as people call it.
func (j *job) spoken(items []*item) {
	a := j.s.account.Load()
	if a == nil || a.objects[j.object] == nil {
		return
	}
	d := a.objects[j.object]
	for _, it := range items {
		for i := range it.Properties {
			p := &it.Properties[i]
			stored, known := it.result.Stored[p.Name]
			if !known || d.labels[p.Name] == nil {
				continue
			}
			if p.State == sinks.Set && same(it.values[p.Name], stored) {
				it.result.Stored[p.Name] = p.Value
			} else {
				it.result.Stored[p.Name] = a.label(d, p.Name, stored)
			}
		}
	}
}

// label is what people call a value, or each of several.
func (a *account) label(d *definitions, property, value string) string {
	if property == ownerProperty {
		for email, id := range a.owners {
			if id == value {
				return email
			}
		}
	}
	labels := d.labels[property]
	if l, ok := labels[value]; ok {
		return l
	}
	if !d.several[property] {
		return value
	}
	parts := strings.Split(value, ";")
	for i, part := range parts {
		if l, ok := labels[part]; ok {
			parts[i] = l
		}
	}
	return strings.Join(parts, ";")
}
