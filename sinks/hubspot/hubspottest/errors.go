package hubspottest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// apiError is the body of an answer that refuses a request, and its status.
type apiError struct {
	status     int
	retryAfter time.Duration

	Status        string              `json:"status"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId,omitempty"`
	RequestID     string              `json:"requestId,omitempty"`
	Context       map[string][]string `json:"context,omitempty"`
	Category      string              `json:"category,omitempty"`
	SubCategory   string              `json:"subCategory,omitempty"`
	ErrorType     string              `json:"errorType,omitempty"`
	PolicyName    string              `json:"policyName,omitempty"`
	Errors        []errorDetail       `json:"errors,omitempty"`
	Links         map[string]string   `json:"links,omitempty"`
}

// errorDetail is one entry of an error's errors.
type errorDetail struct {
	Message string              `json:"message"`
	Code    string              `json:"code,omitempty"`
	Context map[string][]string `json:"context,omitempty"`
}

func refuse(status int, category, format string, args ...any) *apiError {
	return &apiError{status: status, Status: "error", Category: category, Message: fmt.Sprintf(format, args...)}
}

// badRequest is a 400 of category VALIDATION_ERROR.
func badRequest(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, "VALIDATION_ERROR", format, args...)
}

func notFound() *apiError {
	return refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found")
}

func methodNotAllowed() *apiError {
	return refuse(http.StatusMethodNotAllowed, "", "HTTP 405 Method Not Allowed")
}

// with adds a value to the error's context.
func (e *apiError) with(key string, values ...string) *apiError {
	if e.Context == nil {
		e.Context = map[string][]string{}
	}
	e.Context[key] = append(e.Context[key], values...)
	return e
}

// of sets the errorType.
func (e *apiError) of(errorType string) *apiError {
	e.ErrorType = errorType
	return e
}

// invalid is why one property's value is refused.
type invalid struct {
	IsValid   bool   `json:"isValid"`
	Message   string `json:"message"`
	Error     string `json:"error"`
	Name      string `json:"name"`
	Localized string `json:"localizedErrorMessage"`
	PortalID  int64  `json:"portalId,omitempty"`
}

// invalidValues is the answer to values that are refused: the list stands as
// JSON inside the message, and again, in newer form, in errors.
func invalidValues(list []invalid) *apiError {
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and booleans
	}
	e := badRequest("Property values were not valid: %s", text)
	for _, v := range list {
		e.Errors = append(e.Errors, errorDetail{
			Message: v.Message, Code: v.Error, Context: map[string][]string{"propertyName": {v.Name}},
		})
	}
	return e
}

// missingProperties is the answer to a create without what the object needs.
func missingProperties(upper string, names []string) *apiError {
	e := badRequest("Error creating %s. Some required properties were not set.", upper)
	e.with("properties", names...)
	for _, n := range names {
		e.Errors = append(e.Errors, errorDetail{
			Message: fmt.Sprintf("Required property %q was not set.", n), Code: "REQUIRED_PROPERTY",
			Context: map[string][]string{"propertyName": {n}},
		})
	}
	return e
}

func missingScopes(scopes []string) *apiError {
	e := refuse(http.StatusForbidden, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.")
	e.Errors = []errorDetail{{
		Message: "One or more of the following scopes are required.",
		Context: map[string][]string{"requiredGranularScopes": scopes},
	}}
	e.Links = map[string]string{"scopes": "https://developers.hubspot.com/scopes"}
	return e
}

func unauthorized() *apiError {
	return refuse(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview")
}

// tooMany is the 429 of a policy: DAILY, TEN_SECONDLY_ROLLING or SECONDLY.
func tooMany(policy string) *apiError {
	e := refuse(http.StatusTooManyRequests, "RATE_LIMITS", "You have reached your %s limit.", strings.ToLower(policy))
	e.ErrorType, e.PolicyName = "RATE_LIMIT", policy
	return e
}

// badGatewayText is what stands in answers that HubSpot's own edge gives, in
// place of the JSON of the API behind it.
const badGatewayText = "<html><head><title>%[1]d %[2]s</title></head><body><center><h1>%[1]d %[2]s</h1></center></body></html>\n"
