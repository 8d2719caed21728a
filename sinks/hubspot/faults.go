package hubspot

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/sinks"
	"chartwire/sinks/outcall"
)

// fault reads an answer that is a fault of the whole call: of the load, the
// service, the credentials or the configuration. Nil means that the answer is
// about records, and what is wrong with them stands in its body.
func (s *Sink) fault(c *call, a *answer, now time.Time) error {
	switch a.status {
	case http.StatusTooManyRequests:
		e := a.failure()
		policy := policyOf(&e)
		s.metrics.throttled.WithLabelValues(policy).Inc()
		return &sinks.Throttled{Policy: policy, Wait: s.limiter.throttled(c.lane, policy, outcall.RetryAfter(a.header, now), now)}
	case http.StatusLocked:
		return &sinks.Unavailable{Wait: max(2*time.Second, outcall.RetryAfter(a.header, now)), Err: statusError(a)}
	case 477: // the account is being moved
		return &sinks.Unavailable{Wait: max(time.Second, outcall.RetryAfter(a.header, now)), Err: statusError(a)}
	case http.StatusRequestTimeout:
		return &sinks.Unavailable{Unknown: true, Err: statusError(a)}
	case http.StatusUnauthorized:
		return s.halted(&cdc.Halt{Code: "hubspot-credentials", Text: "HubSpot refuses the token (401): it was revoked, has expired or is not of this account; put a valid service key where the configuration reads it", Err: statusError(a)}, now)
	case http.StatusForbidden:
		if c.kind == kindAccount {
			return s.forbidden(c, a) // some definitions can be done without
		}
		return s.halted(s.forbidden(c, a), now)
	case http.StatusNotFound:
		if e := a.failure(); c.kind == kindLink && e.Category == "OBJECT_NOT_FOUND" {
			return nil // an end is not there
		}
		if c.kind != kindRead {
			return cdc.Haltf("hubspot-object-missing", "HubSpot has no %s at API version %s (404): the object does not exist in this account or is not switched on (%v)", c.object, s.cfg.APIVersion, statusError(a))
		}
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusUnprocessableEntity:
		return nil
	}
	switch {
	case a.status >= 500:
		// Whether a failing server had carried the call out, it does not say.
		return &sinks.Unavailable{Wait: outcall.RetryAfter(a.header, now), Unknown: true, Err: statusError(a)}
	case a.ok():
		return nil
	}
	return cdc.Haltf("hubspot-unexpected", "HubSpot answers a %s call for %s with a status that Chartwire does not know, as it would for every record (%v): the API version may be wrong", c.kind, c.object, statusError(a))
}

func (s *Sink) forbidden(c *call, a *answer) *cdc.Halt {
	e := a.failure()
	var scopes []string
	for _, level := range append([]errorBody{e}, e.Errors...) {
		for _, key := range []string{"requiredScopes", "requiredGranularScopes"} {
			scopes = append(scopes, level.Context[key]...)
		}
	}
	missing := "a scope for " + c.object
	if len(scopes) > 0 {
		missing = "one of the scopes " + strings.Join(scopes, ", ")
	}
	return &cdc.Halt{Code: "hubspot-scopes", Text: fmt.Sprintf("HubSpot refuses a %s call for %s (403): the token lacks %s; add it to the service key in HubSpot", c.kind, c.object, missing), Err: statusError(a)}
}

// statusError is an answer without its words: status, category and HubSpot's
// id of the answer, for its support.
func statusError(a *answer) error {
	e := a.failure()
	text := fmt.Sprintf("status %d", a.status)
	if category := firstOf(e.Category, e.ErrorType); token.MatchString(category) {
		text += " " + category
	}
	if token.MatchString(e.Correlation) {
		text += ", correlation id " + e.Correlation
	}
	return errors.New(text)
}

// haltFor are refusals that every record would meet: they stop the flow and
// fill no dead letters.
func haltFor(object string, r *refusal) *cdc.Halt {
	property := r.property
	if !token.MatchString(property) {
		property = "a property"
	}
	correlation := ""
	if token.MatchString(r.correlation) {
		correlation = " (correlation id " + r.correlation + ")"
	}
	code := strings.ToUpper(r.code)
	switch {
	case code == "PROPERTY_DOESNT_EXIST" || code == "PROPERTY_NOT_FOUND":
		return cdc.Haltf("hubspot-schema-drift", "%s.%s no longer exists in HubSpot: create it again, or take it out of the maps%s", object, property, correlation)
	case strings.HasPrefix(code, "READ_ONLY"):
		return cdc.Haltf("hubspot-schema-drift", "%s.%s has become read-only in HubSpot: take it out of the maps, or make it writable%s", object, property, correlation)
	case strings.Contains(r.message, "non-unique"):
		return cdc.Haltf("hubspot-schema-drift", "the key property of %s is not unique in HubSpot: uniqueness is chosen when a property is created, so create a new one and map it as key%s", object, correlation)
	case strings.HasSuffix(code, "LIMIT_EXCEEDED") || strings.HasPrefix(code, "LIMIT_") || strings.HasPrefix(code, "PORTAL_WIDE_"):
		return cdc.Haltf("hubspot-capacity", "HubSpot takes no more %s (%s): the account's limit is reached; archive records, buy more, or narrow the map's where%s", object, code, correlation)
	case code == "MISSING_SCOPES":
		return cdc.Haltf("hubspot-scopes", "HubSpot refuses writes to %s: the token lacks a scope; add it to the service key in HubSpot%s", object, correlation)
	}
	return nil
}

// rejected makes the refusal of one write. The property is named only if the
// write has it and can do without it: the key cannot be left out, and what a
// rule of the account misses is not there to leave out.
func rejected(w *item, refs []refusal) *sinks.Rejected {
	r := &refs[0]
	for i := range refs { // a property of the write says more than the record
		if w.has(refs[i].property) {
			r = &refs[i]
			break
		}
	}
	e := &sinks.Rejected{Code: r.code, Class: classOf(r)}
	if token.MatchString(r.correlation) {
		e.Correlation = r.correlation
	}
	if e.Code == "" || !token.MatchString(e.Code) {
		e.Code = "REFUSED"
	}
	if digits.MatchString(r.existing) {
		e.Existing = r.existing
	}
	switch {
	case w.has(r.property) && e.Class != "portal_rule":
		e.Property = r.property
	case e.Class == "identity":
		e.Property = w.contested()
	}
	e.Message = redact(r.message, e.Existing, w.Write)
	if e.Class == "portal_rule" && token.MatchString(r.property) {
		e.Message = strings.TrimSpace("property " + r.property + " is required: " + e.Message)
	}
	if e.Message == "" {
		e.Message = "HubSpot gives no words"
	}
	return e
}

// classOf groups refusals by what mends them.
func classOf(r *refusal) string {
	code, category := strings.ToUpper(r.code), strings.ToUpper(r.category)
	switch {
	case code == "INVALID_OPTION":
		return "invalid_option"
	case strings.HasPrefix(code, "REQUIRED_PROPERT") || strings.Contains(code, "MISSING_REQUIRED"):
		return "portal_rule"
	case code == "CONFLICT" || category == "CONFLICT" || strings.Contains(code, "UNIQUE_VALUE") || strings.Contains(r.message, "already has that value"):
		return "identity"
	case code == "OBJECT_NOT_FOUND" || category == "OBJECT_NOT_FOUND":
		return "missing"
	case strings.HasPrefix(code, "INVALID_") || strings.HasSuffix(code, "_TOO_LONG"):
		return "invalid_value"
	}
	return "refused"
}

// isFault reports whether an error is one that passes.
func isFault(err error) bool {
	var throttled *sinks.Throttled
	var down *sinks.Unavailable
	return errors.As(err, &throttled) || errors.As(err, &down)
}
