package hubspottest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

// TestSpeed holds the stand-in to a speed at which it does not hold up what it
// stands in for: 100 records a call, 40 properties each, in a portal that
// fills up.
func TestSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	c := withKey(t, hubspottest.Options{Limits: hubspottest.Unlimited})
	var names []string
	for i := range 38 {
		names = append(names, fmt.Sprintf("p%02d", i))
		c.define("contacts", names[i], nil)
	}
	const batches = 40
	bodies := make([]string, batches)
	for b := range batches {
		var list []string
		for i := range 100 {
			var p []string
			for _, n := range names {
				p = append(p, fmt.Sprintf("%q:%q", n, fmt.Sprint("value ", b, " ", i)))
			}
			p = append(p, fmt.Sprintf(`"email":"p%d.%d@example.com"`, b, i))
			list = append(list, fmt.Sprintf(`{"id":"P%d-%d","idProperty":%q,"objectWriteTraceId":"%d","properties":{%s}}`, b, i, key, i, strings.Join(p, ",")))
		}
		bodies[b] = `{"inputs":[` + strings.Join(list, ",") + `]}`
	}
	start := time.Now()
	for _, body := range bodies {
		c.call("POST", contacts+"/batch/upsert", body).expect(t, 200)
	}
	rate := float64(batches*100) / time.Since(start).Seconds()
	t.Logf("%.0f records a second", rate)
	if rate < 500 { // thousands on an idle machine
		t.Errorf("%.0f records a second", rate)
	}
	if n := len(c.s.Records("contacts")); n != batches*100 {
		t.Errorf("%d records", n)
	}
}
