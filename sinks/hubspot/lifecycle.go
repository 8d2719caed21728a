package hubspot

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"chartwire/sinks"
)

// backward sets again what HubSpot silently kept: it answers success to a
// lifecycle stage that goes back, and changes nothing. Emptied first and then
// set, in two calls, the stage is taken. The record's other values are written
// by then; a fault between the two calls makes Deliver write all of it again.
func (j *job) backward(unique string, items []*item) {
	kept := map[*item][]string{}
	var order []*item
	for _, it := range items {
		if it.result.Err != nil {
			continue
		}
		for i := range it.Properties {
			p := &it.Properties[i]
			stored, known := it.result.Stored[p.Name]
			if p.Backward && p.State == sinks.Set && known && !same(it.values[p.Name], stored) {
				kept[it] = append(kept[it], p.Name)
				j.s.metrics.backward.WithLabelValues(j.object, p.Name).Inc()
			}
		}
		if kept[it] != nil {
			order = append(order, it)
		}
	}
	for _, clearing := range []bool{true, false} {
		var again []*item
		var of []*item
		for _, it := range order {
			if it.result.Err != nil {
				continue
			}
			values := make(map[string]string, len(kept[it]))
			for _, name := range kept[it] {
				if values[name] = it.values[name]; clearing {
					values[name] = ""
				}
			}
			again, of = append(again, &item{Write: it.Write, values: values}), append(of, it)
		}
		j.upsert(unique, again)
		for i, it := range of {
			it.result.Err = half(again[i].result.Err)
			maps.Copy(it.result.Stored, again[i].result.Stored)
		}
	}
}

// half is what a write ends with of which a part is carried out already: HubSpot
// holds that part, whatever it said to the rest.
func half(err error) error {
	if err == nil {
		return nil
	}
	u := &sinks.Unavailable{Unknown: true}
	var refused *sinks.Rejected
	var throttled *sinks.Throttled
	var unavailable *sinks.Unavailable
	switch {
	case errors.As(err, &refused):
		err = fmt.Errorf("refused: %s", refused.Code) // HubSpot's words may hold the value
	case errors.As(err, &throttled):
		u.Wait = throttled.Wait
	case errors.As(err, &unavailable):
		u.Wait = unavailable.Wait
	}
	u.Err = fmt.Errorf("written but for its stage: %v", err) // no longer of that kind
	return u
}

// differences counts what HubSpot holds otherwise than it was sent, beyond
// its own forms of e-mail, numbers and times.
func (j *job) differences(items []*item) {
	for _, it := range items {
		for name, stored := range it.result.Stored {
			if sent, ok := it.values[name]; ok && it.result.Err == nil && !same(sent, stored) {
				j.s.metrics.differs.WithLabelValues(j.object, name).Inc()
				j.s.cfg.Log.Warn("HubSpot holds another value than it was sent", "object", j.object, "property", name)
			}
		}
	}
}

// same reports whether HubSpot's form of a value means the value sent.
func same(sent, stored string) bool {
	sent, stored = strings.TrimSpace(sent), strings.TrimSpace(stored)
	if strings.EqualFold(sent, stored) {
		return true
	}
	if a, ok := new(big.Rat).SetString(plain(sent)); ok {
		if b, ok := new(big.Rat).SetString(plain(stored)); ok && a.Cmp(b) == 0 {
			return true
		}
	}
	if a, ok := instant(sent); ok {
		b, ok := instant(stored)
		return ok && a.Equal(b)
	}
	if strings.Contains(sent, ";") {
		return sameSet(sent, stored)
	}
	return false
}

// plain lets only digits, a sign and a point through to the number parser: an
// exponent could make it work for a long time.
func plain(s string) string {
	if len(s) > 100 || strings.Trim(s, "+-0123456789.") != "" {
		return ""
	}
	return s
}

func instant(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}

// sameSet compares the values of a property with several, in any order. What
// begins with a semicolon adds to what is there.
func sameSet(sent, stored string) bool {
	parts := func(s string) []string {
		list := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ';' })
		slices.Sort(list)
		return slices.Compact(list)
	}
	want, have := parts(sent), parts(stored)
	if !strings.HasPrefix(sent, ";") {
		return slices.Equal(want, have)
	}
	for _, w := range want {
		if _, ok := slices.BinarySearch(have, w); !ok {
			return false
		}
	}
	return true
}
