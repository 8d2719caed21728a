package hubspot

import (
	"net/http"

	"chartwire/sinks"
)

// readBody is the body of a batch read.
type readBody struct {
	IDProperty string       `json:"idProperty,omitempty"`
	Properties []string     `json:"properties"`
	Inputs     []batchInput `json:"inputs"`
}

// archive puts records into HubSpot's recycle bin. They are looked up by their
// key even where their id is known: after a merge the old id leads to the
// surviving record, which is somebody else's. What is not found is gone.
func (j *job) archive(unique string, items []*item) {
	found, err := j.lookUp(unique, items, nil)
	if err != nil {
		failAll(items, err)
		return
	}
	var there []*item
	var body batchBody
	for _, it := range items {
		r := found[it]
		if r == nil {
			it.result, it.done = sinks.Result{ID: it.ID}, true
			continue
		}
		it.result.ID = r.ID
		there = append(there, it)
		body.Inputs = append(body.Inputs, batchInput{ID: r.ID})
	}
	if len(there) == 0 {
		return
	}
	a, err := j.call(&call{kind: kindArchive, method: http.MethodPost, path: join(j.s.paths.objects, j.object, "batch", "archive"), body: body})
	if err != nil {
		failAll(there, err)
		return
	}
	if a.ok() {
		for _, it := range there {
			it.done = true
		}
		return
	}
	e := a.failure()
	refs := e.refusals()
	for _, it := range there {
		j.refused(it, refs)
	}
}

// existing ends the writes that are for existing records only and have none:
// an upsert would make it. Who archives between look-up and upsert gets it back.
func (j *job) existing(unique string, items []*item) []*item {
	var ask, rest []*item
	for _, it := range items {
		if it.Existing {
			ask = append(ask, it)
		} else {
			rest = append(rest, it)
		}
	}
	if len(ask) == 0 {
		return items
	}
	found, err := j.lookUp(unique, ask, nil)
	if err != nil {
		failAll(ask, err)
		return rest
	}
	for _, it := range ask {
		if found[it] == nil {
			it.done = true
		} else {
			rest = append(rest, it)
		}
	}
	return rest
}

// lookUp reads records by their key. Those that HubSpot does not have are
// absent from the answer.
func (j *job) lookUp(unique string, items []*item, properties []string) (map[*item]*batchResult, error) {
	body := readBody{IDProperty: unique, Properties: append([]string{unique}, properties...)}
	for _, it := range items {
		body.Inputs = append(body.Inputs, batchInput{ID: it.Record.Key})
	}
	a, err := j.call(&call{kind: kindRead, method: http.MethodPost, path: join(j.s.paths.objects, j.object, "batch", "read"), body: body})
	if err != nil {
		return nil, err
	}
	found := map[*item]*batchResult{}
	if a.status == http.StatusNotFound {
		return found, nil
	}
	if !a.ok() {
		e := a.failure()
		refs := e.refusals()
		if h := haltOf(j.object, refs); h != nil {
			return nil, h
		}
		return nil, &sinks.Unavailable{Err: statusError(a)}
	}
	var result struct {
		Results []batchResult `json:"results"`
	}
	if err := a.decode(&result); err != nil {
		return nil, &sinks.Unavailable{Err: err}
	}
	find := newFinder(items)
	for i := range result.Results {
		key, _ := result.Results[i].text(unique)
		if it := find.item("", key); it != nil {
			found[it] = &result.Results[i]
		}
	}
	return found, nil
}
