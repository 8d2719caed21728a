package pipeline

import (
	"testing"

	"chartwire/pipeline/shadow"
	"chartwire/sinks"
)

// A record that loses its last link of a name loses something: so many of them
// at once are a mass change.
func TestUnlinks(t *testing.T) {
	to := func(key string) sinks.Record { return sinks.Record{Object: "contacts", Property: "k", Key: key} }
	base := &shadow.Entry{ID: "7", Version: 5, Links: []shadow.LinkSet{
		{Name: "contact", Version: 5, Links: []shadow.Link{{To: to("a"), Wanted: true, Held: true}}},
		{Name: "payer", Version: 5, Links: []shadow.Link{{To: to("a"), Wanted: true}}},
	}}
	f := func(want bool, version int64, links ...sinks.Link) {
		t.Helper()
		m := &sinks.Mutation{Version: version, Existence: sinks.Present, Links: links}
		if got := takesAway(m, base); got != want {
			t.Errorf("takes away: %v, want %v", got, want)
		}
	}
	none := func(name string) sinks.Link { return sinks.Link{Name: name, State: sinks.Clear} }
	f(true, 6, none("contact"))
	f(false, 4, none("contact")) // an older one
	f(false, 6, none("contact"), sinks.Link{Name: "contact", To: to("b"), State: sinks.Set})
	f(false, 6, none("payer")) // it was never made
	f(false, 6)                // says nothing of it
}
