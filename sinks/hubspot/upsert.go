package hubspot

import (
	"errors"
	"net/http"
	"strings"

	"chartwire/sinks"
)

// batchBody is the body of a batch upsert.
type batchBody struct {
	Inputs []batchInput `json:"inputs"`
}

type batchInput struct {
	ID         string            `json:"id"`
	IDProperty string            `json:"idProperty,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Trace      string            `json:"objectWriteTraceId,omitempty"`
}

// batchResult is one record of an answer.
type batchResult struct {
	ID         string             `json:"id"`
	New        bool               `json:"new"`
	Trace      string             `json:"objectWriteTraceId"`
	Properties map[string]*string `json:"properties"`
}

func (r *batchResult) text(property string) (string, bool) {
	v, ok := r.Properties[property]
	if !ok || v == nil {
		return "", ok
	}
	return *v, true
}

// upsertAll resolves labels, writes, and sets again what HubSpot would not
// move back.
func (j *job) upsertAll(unique string, items []*item) {
	ready := j.resolve(items)
	j.upsert(unique, ready)
	j.backward(unique, ready)
	j.differences(ready)
	j.spoken(ready)
}

// upsert writes the items that are not done, in as many calls as needed.
func (j *job) upsert(unique string, items []*item) {
	if len(items) == 0 {
		return
	}
	body := batchBody{Inputs: make([]batchInput, len(items))}
	for i, it := range items {
		values := make(map[string]string, len(it.values)+1)
		for k, v := range it.values {
			values[k] = v
		}
		values[unique] = it.Record.Key
		body.Inputs[i] = batchInput{ID: it.Record.Key, IDProperty: unique, Properties: values, Trace: it.Trace}
	}
	a, err := j.call(&call{kind: kindUpsert, method: http.MethodPost, path: join(j.s.paths.objects, j.object, "batch", "upsert"), body: body})
	if err != nil {
		failAll(items, err)
		return
	}
	if a.ok() {
		j.match(unique, items, a)
		return
	}
	e := a.failure()
	refs := e.refusals()
	if h := haltOf(j.object, refs); h != nil {
		failAll(items, h)
		return
	}
	if strings.HasPrefix(e.Message, "Duplicate IDs") {
		j.s.metrics.duplicate.Inc()
	}
	j.blame(unique, items, refs)
}

// match gives each item its result: by trace id, else by the unique property.
// What has neither a result nor an error is written again in a smaller batch.
func (j *job) match(unique string, items []*item, a *answer) {
	var body struct {
		Results []batchResult `json:"results"`
	}
	if err := a.decode(&body); err != nil {
		failAll(items, &sinks.Unavailable{Unknown: true, Err: err})
		return
	}
	find := newFinder(items)
	for i := range body.Results {
		r := &body.Results[i]
		key, _ := r.text(unique)
		if it := find.item(r.Trace, key); it != nil && !it.done && r.ID != "" {
			it.result, it.done = resultOf(it, r), true
		}
	}
	e := a.failure()
	var unclear []refusal
	for i := range e.Errors {
		refs := e.Errors[i].flatten(refusal{correlation: e.Correlation}, maxDepth)
		if named := find.named(&refs[0]); len(named) > 0 {
			for _, it := range named {
				if !it.done {
					j.refused(it, refs)
				}
			}
		} else {
			unclear = append(unclear, refs...)
		}
	}
	j.rest(unique, items, unclear)
}

// rest handles the items that an answer leaves out.
func (j *job) rest(unique string, items []*item, unclear []refusal) {
	var left []*item
	for _, it := range items {
		if !it.done {
			left = append(left, it)
		}
	}
	switch {
	case len(left) == 0:
	case len(left) == len(items):
		j.blame(unique, left, unclear)
	case len(left) == 1 && len(unclear) > 0:
		j.refused(left[0], unclear)
	default:
		j.upsert(unique, left)
	}
}

// blame finds whose fault a refused batch is: of one record it is that one's,
// of more the halves are tried on their own.
func (j *job) blame(unique string, items []*item, refs []refusal) {
	if len(items) > 1 {
		j.s.metrics.splits.Inc()
		half := len(items) / 2
		j.upsert(unique, items[:half])
		j.upsert(unique, items[half:])
		return
	}
	if len(refs) == 0 {
		items[0].fail(&sinks.Unavailable{Unknown: true, Err: errors.New("HubSpot's answer has neither a result nor an error for the record")})
		return
	}
	j.refused(items[0], refs)
}

// resultOf reads what HubSpot says it holds now of the properties written.
func resultOf(it *item, r *batchResult) sinks.Result {
	stored := make(map[string]string, len(it.Properties))
	for i := range it.Properties {
		if v, ok := r.text(it.Properties[i].Name); ok {
			stored[it.Properties[i].Name] = v
		}
	}
	return sinks.Result{ID: r.ID, New: r.New, Stored: stored}
}

// finder finds the item that a result or an error is about.
type finder struct {
	traces map[string]*item
	keys   map[string]*item // lower-cased; nil where two keys differ in case only
}

func newFinder(items []*item) *finder {
	f := &finder{traces: make(map[string]*item, len(items)), keys: make(map[string]*item, len(items))}
	for _, it := range items {
		f.traces[it.Trace] = it
		key := strings.ToLower(it.Record.Key)
		if _, twice := f.keys[key]; twice {
			f.keys[key] = nil
		} else {
			f.keys[key] = it
		}
	}
	return f
}

func (f *finder) item(trace, key string) *item {
	if it := f.traces[trace]; it != nil && trace != "" {
		return it
	}
	if key == "" {
		return nil
	}
	return f.keys[strings.ToLower(key)]
}

// named lists the items that an error names by trace id or key.
func (f *finder) named(r *refusal) []*item {
	var items []*item
	for _, t := range r.traces {
		if it := f.item(t, ""); it != nil {
			items = append(items, it)
		}
	}
	if len(items) > 0 {
		return items
	}
	for _, id := range r.ids {
		if it := f.item("", id); it != nil {
			items = append(items, it)
		}
	}
	return items
}
