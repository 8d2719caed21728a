package hubspottest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

const maxText = 65_536 // characters of one value, as UTF-16 counts them

// check says how HubSpot stores a value of the property, or why it refuses it.
// "" clears every type.
func (p *property) check(o *object, owners []Owner, value string) (string, *invalid) {
	no := func(code, format string, args ...any) (string, *invalid) {
		msg := fmt.Sprintf(format, args...)
		return "", &invalid{Message: msg, Error: code, Name: p.Name, Localized: msg}
	}
	if p.ModificationMetadata.ReadOnlyValue || p.Calculated {
		return no("READ_ONLY_VALUE", "%q is a read only property; its value cannot be set.", p.Name)
	}
	if len(value) > maxText && len(utf16.Encode([]rune(value))) > maxText {
		return no("PROPERTY_VALUE_TOO_LONG", "Property value is too long: the maximum is %d characters", maxText)
	}
	adds := strings.HasPrefix(value, ";")
	value = strings.TrimSpace(value)
	if value == "" {
		return "", nil
	}
	for _, rule := range o.rules[p.Name] {
		if msg := rule.refuses(value); msg != "" {
			return no("INVALID_FORMAT", "%s", msg)
		}
	}
	switch {
	case p.Name == "hs_recurring_billing_period":
		if !term.MatchString(value) {
			return no("INVALID_FORMAT", "%s is not a period such as P12M", value)
		}
		return value, nil
	case p.Name == "email":
		if !validEmail(value) {
			return no("INVALID_EMAIL", "Email address %s is invalid", value)
		}
		return strings.ToLower(value), nil
	case p.ReferencedObjectType == "OWNER":
		for _, w := range owners {
			if w.ID == value && !w.Archived {
				return value, nil
			}
		}
		return no("INVALID_OPTION", "%s was not one of the allowed options: []", value)
	}
	switch p.Type {
	case "number":
		n, ok := canonicalNumber(value)
		if !ok {
			return no("INVALID_NUMBER", "%s was not a valid number.", value)
		}
		return n, nil
	case "date":
		return p.checkDate(value, no)
	case "datetime":
		t, ok := parseInstant(value)
		if !ok {
			return no("INVALID_LONG", "%s was not a valid long.", value)
		}
		return stamp(t), nil
	case "bool":
		if value != "true" && value != "false" {
			return no("INVALID_OPTION", "%s was not one of the allowed options: [true, false]", value)
		}
		return value, nil
	case "enumeration":
		return p.checkOption(value, adds, no)
	}
	return value, nil
}

type refusal func(code, format string, args ...any) (string, *invalid)

func (p *property) checkDate(value string, no refusal) (string, *invalid) {
	t, ok := parseInstant(value)
	if !ok {
		return no("INVALID_LONG", "%s was not a valid long.", value)
	}
	if t.Truncate(24*time.Hour) != t {
		return no("INVALID_DATE", "%s is at %d:%d:%d.%d UTC, not midnight!", value, t.Hour(), t.Minute(), t.Second(), t.Nanosecond()/1e6)
	}
	return t.Format("2006-01-02"), nil
}

// checkOption checks the value of an enumeration, or the values of one with
// several, between semicolons. Pipelines and stages are checked elsewhere:
// which are allowed depends on the record.
func (p *property) checkOption(value string, add bool, no refusal) (string, *invalid) {
	if p.ExternalOptions {
		return value, nil
	}
	parts := []string{value}
	if p.FieldType == "checkbox" {
		parts = strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
	}
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
		if !slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == parts[i] }) {
			return no("INVALID_OPTION", "%s was not one of the allowed options: %s", parts[i], optionList(p.Options))
		}
	}
	if p.FieldType != "checkbox" {
		return parts[0], nil
	}
	text := strings.Join(parts, ";")
	if add {
		text = ";" + text // apply adds to what is held
	}
	return text, nil
}

func optionList(opts []Option) string {
	values := make([]string, len(opts))
	for i, o := range opts {
		values[i] = o.Value
	}
	return "[" + strings.Join(values, ", ") + "]"
}

var emailForm = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+([A-Za-z]{2,24})$`)

// noDomains are endings that no address has: reserved names, and the slips of
// the hand that HubSpot's own list of endings catches.
var noDomains = []string{"con", "cmo", "ocm", "vom", "xom", "comm", "cim", "nett", "ent", "ogr", "orgg", "eduu", "gmail", "test", "invalid", "localhost", "local", "example"}

func validEmail(s string) bool {
	m := emailForm.FindStringSubmatch(s)
	return m != nil && len(s) <= 254 && !slices.Contains(noDomains, strings.ToLower(m[len(m)-1]))
}

var numberForm = regexp.MustCompile(`^([+-]?)([0-9]*)(?:\.([0-9]*))?$`)

// canonicalNumber is a number as it is stored: no sign plus, no zeros that say
// nothing. Separators and exponents are refused.
func canonicalNumber(s string) (string, bool) {
	m := numberForm.FindStringSubmatch(s)
	if m == nil || m[2]+m[3] == "" {
		return "", false
	}
	whole, frac := strings.TrimLeft(m[2], "0"), strings.TrimRight(m[3], "0")
	if whole == "" {
		whole = "0"
	}
	n := whole
	if frac != "" {
		n += "." + frac
	}
	if m[1] == "-" && n != "0" {
		n = "-" + n
	}
	return n, true
}

// parseInstant reads the forms of dates and times that the API takes: a date,
// a date with time and zone, milliseconds since 1970.
func parseInstant(s string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, layout := range []string{"2006-01-02", time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Millisecond), true
		}
	}
	return time.Time{}, false
}

var countryCode = regexp.MustCompile(`^\+[1-9][0-9 ().-]{6,24}$`)

// refuses says why a rule of an administrator refuses a value, or "".
func (v Validation) refuses(value string) string {
	arg := ""
	if len(v.RuleArguments) > 0 {
		arg = v.RuleArguments[0]
	}
	n, _ := strconv.ParseFloat(arg, 64)
	f, ferr := strconv.ParseFloat(value, 64)
	bad := false
	switch v.RuleType {
	case "REGEX":
		re, err := regexp.Compile("^(?:" + arg + ")$")
		bad = err == nil && !re.MatchString(value)
	case "MIN_LENGTH":
		bad = float64(len([]rune(value))) < n
	case "MAX_LENGTH":
		bad = float64(len([]rune(value))) > n
	case "MIN_NUMBER":
		bad = ferr == nil && f < n
	case "MAX_NUMBER":
		bad = ferr == nil && f > n
	case "PHONE_NUMBER_WITH_EXPLICIT_COUNTRY_CODE":
		bad = !countryCode.MatchString(value)
	}
	if !bad {
		return ""
	}
	return fmt.Sprintf("%s does not meet the rule %s %s", value, v.RuleType, strings.Join(v.RuleArguments, ","))
}
