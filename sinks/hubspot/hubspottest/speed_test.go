package hubspottest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chartwire/sinks/hubspot/hubspottest"
)

// BenchmarkBatchUpsert says whether the stand-in holds up what it stands in
// for: 100 records a call, 40 properties each, over a socket, in a portal that
// fills up. It wants to stay above 3,000 records a second.
func BenchmarkBatchUpsert(b *testing.B) {
	s := hubspottest.New(hubspottest.Options{Limits: hubspottest.Unlimited})
	url := s.Start(b)
	post := func(path, body string) {
		req, err := http.NewRequestWithContext(b.Context(), "POST", url+path, bytes.NewReader([]byte(body)))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+hubspottest.DefaultToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode > 201 {
			b.Fatalf("%d %v: %s", resp.StatusCode, err, text)
		}
	}
	def := `{"name":%q,"label":"L","type":"string","fieldType":"text","groupName":"contactinformation","hasUniqueValue":%t}`
	post("/crm/properties/2026-09/contacts", fmt.Sprintf(def, key, true))
	for i := range 38 {
		post("/crm/properties/2026-09/contacts", fmt.Sprintf(def, fmt.Sprintf("p%02d", i), false))
	}
	batch := func(n int) string {
		var list []string
		for i := range 100 {
			var p []string
			for k := range 38 {
				p = append(p, fmt.Sprintf(`"p%02d":"value %d %d"`, k, n, i))
			}
			p = append(p, fmt.Sprintf(`"email":"p%d.%d@example.com"`, n, i))
			list = append(list, fmt.Sprintf(`{"id":"P%d-%d","idProperty":%q,"objectWriteTraceId":"%d","properties":{%s}}`, n, i, key, i, strings.Join(p, ",")))
		}
		return `{"inputs":[` + strings.Join(list, ",") + `]}`
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		body := batch(n)
		n++
		b.StartTimer()
		post(contacts+"/batch/upsert", body)
	}
	b.ReportMetric(float64(n*100)/b.Elapsed().Seconds(), "records/s")
	if got := s.Totals("contacts").Created; got != n*100 {
		b.Errorf("%d records of %d", got, n*100)
	}
}
