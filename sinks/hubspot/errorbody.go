package hubspot

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// errorBody is HubSpot's error, in every shape seen. Each field is optional,
// and some have more than one type, so nothing here is decoded strictly.
type errorBody struct {
	Status      string
	Message     string
	Correlation string
	Category    string
	SubCategory string
	ErrorType   string
	PolicyName  string
	Code        string
	Context     map[string][]string
	Errors      []errorBody
}

// maxDepth bounds errors inside errors.
const maxDepth = 3

// parseError reads an error's body. A body that is no JSON gives a message of
// its size only: a proxy's page says nothing worth keeping.
func parseError(text []byte) errorBody {
	var raw map[string]json.RawMessage
	if json.Unmarshal(text, &raw) != nil {
		return errorBody{}
	}
	return readError(raw, maxDepth)
}

func readError(raw map[string]json.RawMessage, depth int) errorBody {
	e := errorBody{
		Status:      textOf(raw["status"]),
		Message:     textOf(raw["message"]),
		Correlation: textOf(raw["correlationId"]),
		Category:    textOf(raw["category"]),
		SubCategory: textOf(raw["subCategory"]),
		ErrorType:   textOf(raw["errorType"]),
		PolicyName:  textOf(raw["policyName"]),
		Code:        textOf(raw["code"]),
	}
	var context map[string]json.RawMessage
	if json.Unmarshal(raw["context"], &context) == nil && len(context) > 0 {
		e.Context = make(map[string][]string, len(context))
		for k, v := range context {
			e.Context[k] = textsOf(v)
		}
	}
	if depth == 0 {
		return e
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw["errors"], &list) == nil {
		for _, item := range list {
			e.Errors = append(e.Errors, readError(item, depth-1))
		}
	}
	return e
}

// textOf reads a string, or a number as its text; anything else is "".
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if len(raw) > 0 && raw[0] != '"' && d.Decode(&n) == nil {
		return n.String()
	}
	return ""
}

// textsOf reads a list of texts, or one.
func textsOf(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		if s := textOf(raw); s != "" {
			return []string{s}
		}
		return nil
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		if s := textOf(item); s != "" {
			texts = append(texts, s)
		}
	}
	return texts
}

// refusal is one thing that HubSpot says is wrong.
type refusal struct {
	property    string
	code        string
	message     string
	category    string
	sub         string
	existing    string   // the record in the way
	traces      []string // of the inputs it is about, if it says so
	ids         []string // or their ids
	correlation string
}

// refusals flattens an error into what is wrong: the items of errors[], the
// JSON list inside a message, or else the message itself.
func (e *errorBody) refusals() []refusal {
	return e.flatten(refusal{}, maxDepth)
}

func (e *errorBody) flatten(from refusal, depth int) []refusal {
	r := e.refusal(from)
	var all []refusal
	for _, p := range embedded(e.Message) {
		one := r
		one.property, one.code, one.message = p.Name, p.Error, p.Message
		all = append(all, one)
	}
	if depth > 0 && len(all) == 0 {
		for i := range e.Errors {
			all = append(all, e.Errors[i].flatten(r, depth-1)...)
		}
	}
	if len(all) == 0 {
		all = append(all, r)
	}
	return all
}

// refusal reads one level, with what the level above said as default.
func (e *errorBody) refusal(from refusal) refusal {
	r := from
	if e.Message != "" {
		r.message = e.Message
	}
	if c := firstOf(e.Code, e.ErrorType, e.Category); c != "" {
		r.code = c
	}
	r.category = firstOf(e.Category, r.category)
	r.sub = firstOf(e.SubCategory, r.sub)
	r.correlation = firstOf(e.Correlation, r.correlation)
	if v := e.Context["objectWriteTraceId"]; len(v) > 0 {
		r.traces = v
	}
	if v := e.Context["ids"]; len(v) > 0 {
		r.ids = v
	}
	for _, key := range []string{"propertyName", "propertyNames", "properties"} {
		if v := e.Context[key]; len(v) > 0 {
			r.property = v[0]
			break
		}
	}
	for _, key := range []string{"existingId", "existingObjectId", "existingRecordId"} {
		if v := e.Context[key]; len(v) > 0 {
			r.existing = v[0]
			break
		}
	}
	if r.existing == "" {
		if m := existingID.FindStringSubmatch(e.Message); m != nil {
			r.existing = firstOf(m[1], m[2])
		}
	}
	if r.property == "" {
		if m := namedProperty.FindStringSubmatch(e.Message); m != nil {
			r.property = firstOf(m[1], m[2], m[3])
		}
	}
	return r
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

var (
	existingID    = regexp.MustCompile(`(?i)(?:existing id:? *([0-9]+)|\b([0-9]+) already has that value)`)
	namedProperty = regexp.MustCompile(`(?i:\bproperty (?:name )?)(?:["'\x60]([a-z][a-z0-9_]*)["'\x60]|([a-z][a-z0-9]*_[a-z0-9_]*|email|domain)\b)|\bpropertyName=([a-z][a-z0-9_]*)`)
)

// embeddedError is one entry of the list that HubSpot writes into a message.
type embeddedError struct {
	Name    string
	Error   string
	Message string
}

// embedded reads the JSON list inside a message, such as "Property values were
// not valid: [{…}]".
func embedded(message string) []embeddedError {
	at := strings.Index(message, "[{")
	if at < 0 {
		return nil
	}
	var list []map[string]json.RawMessage
	if json.NewDecoder(strings.NewReader(message[at:])).Decode(&list) != nil {
		return nil
	}
	var all []embeddedError
	for _, item := range list {
		p := embeddedError{Name: textOf(item["name"]), Error: textOf(item["error"]), Message: textOf(item["message"])}
		valid, _ := strconv.ParseBool(string(item["isValid"]))
		if valid || p.Name == "" && p.Error == "" {
			continue
		}
		all = append(all, p)
	}
	return all
}
