package hubspot

import (
	"net/http"
	"strconv"
	"strings"
)

// HubSpot's names for what a 429 is about.
const (
	policyBurst  = "TEN_SECONDLY_ROLLING"
	policySecond = "SECONDLY"
	policyDaily  = "DAILY"
)

// rateHeaders is what an answer says about the limits; -1 where it does not.
type rateHeaders struct {
	max, remaining, daily, dailyRemaining int
}

func readRateHeaders(h http.Header) rateHeaders {
	return rateHeaders{
		max:            intHeader(h, "X-HubSpot-RateLimit-Max"),
		remaining:      intHeader(h, "X-HubSpot-RateLimit-Remaining"),
		daily:          intHeader(h, "X-HubSpot-RateLimit-Daily"),
		dailyRemaining: intHeader(h, "X-HubSpot-RateLimit-Daily-Remaining"),
	}
}

func intHeader(h http.Header, name string) int {
	n, err := strconv.Atoi(strings.TrimSpace(h.Get(name)))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// policyOf finds which limit a 429 is about; HubSpot says it in one of three
// places, and the burst limit is the one that passes soonest.
func policyOf(e *errorBody) string {
	name := strings.ToUpper(e.PolicyName)
	text := strings.ToLower(e.Message)
	switch {
	case name == policyDaily || name == "" && strings.Contains(text, "daily"):
		return policyDaily
	case name == policySecond || name == "" && strings.Contains(text, "secondly") && !strings.Contains(text, "ten_secondly"):
		return policySecond
	}
	return policyBurst
}
