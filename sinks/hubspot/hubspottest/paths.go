package hubspottest

import (
	"net/url"
	"slices"
	"strings"
)

// Versions are the API versions that the portal speaks. In dated ones the
// version sits behind the family's name, in v3 and v4 before it.
var (
	dated  = []string{"2026-03", "2026-09"}
	legacy = []string{"v3"}
)

// families says where each family of calls keeps its version.
var families = []struct {
	name     string
	pattern  string // segments; {v} is the version
	versions []string
}{
	{"objects", "crm/{v}/objects", legacy},
	{"objects", "crm/objects/{v}", dated},
	{"objects", "crm/{v}/objects", []string{"v4"}}, // associations of one record
	{"properties", "crm/{v}/properties", legacy},
	{"properties", "crm/properties/{v}", dated},
	{"property-validations", "crm/{v}/property-validations", legacy},
	{"property-validations", "crm/property-validations/{v}", dated},
	{"pipelines", "crm/{v}/pipelines", legacy},
	{"pipelines", "crm/pipelines/{v}", dated},
	{"owners", "crm/{v}/owners", legacy},
	{"owners", "crm/owners/{v}", dated},
	{"schemas", "crm-object-schemas/{v}/schemas", slices.Concat(legacy, dated)},
	{"schemas", "crm/{v}/schemas", legacy},
	{"limits", "crm/{v}/limits", legacy},
	{"limits", "crm/limits/{v}", dated},
	{"object-library", "crm/{v}/object-library/enablement", legacy},
	{"object-library", "crm/object-library/{v}/enablement", dated},
	{"account-info", "account-info/{v}", slices.Concat(legacy, dated)},
	{"associations", "crm/{v}/associations", []string{"v4"}},
	{"associations", "crm/associations/{v}", dated},
}

// path is a request's path, taken apart.
type path struct {
	family  string
	version string
	prefix  string   // as it came, up to what follows
	rest    []string // decoded
}

// parsePath takes the escaped path apart; ok is false for what is no call of
// any family.
func parsePath(escaped string) (p path, ok bool) {
	parts := strings.Split(strings.Trim(escaped, "/"), "/")
	for _, f := range families {
		want := strings.Split(f.pattern, "/")
		if len(parts) < len(want) {
			continue
		}
		version, match := "", true
		for i, w := range want {
			if w == "{v}" {
				version = parts[i]
				match = match && slices.Contains(f.versions, version)
			} else {
				match = match && w == parts[i]
			}
		}
		if !match {
			continue
		}
		p = path{family: f.name, version: version, prefix: "/" + strings.Join(parts[:len(want)], "/")}
		for _, part := range parts[len(want):] {
			s, err := url.PathUnescape(part)
			if err != nil {
				return path{}, false
			}
			p.rest = append(p.rest, s)
		}
		return p, true
	}
	return path{}, false
}

// template is the path without names of single records and definitions, for
// counting calls.
func (p path) template() string {
	var b strings.Builder
	b.WriteString(p.prefix)
	for i, s := range p.rest {
		b.WriteByte('/')
		switch {
		case i == 0 && p.family != "owners", i == 1 && p.family == "associations", isVerb(s):
			b.WriteString(s)
		default:
			b.WriteString("{id}")
		}
	}
	return b.String()
}

// isVerb tells the fixed segments of paths from ids.
func isVerb(s string) bool {
	switch s {
	case "batch", "upsert", "create", "update", "read", "archive", "search", "merge", "gdpr-delete",
		"groups", "stages", "api-usage", "daily", "private-apps", "associate", "default", "labels", "associations":
		return true
	}
	return false
}

// enforcesRules reports whether a version applies an administrator's required
// properties to writes: 2026-09 is the first.
func enforcesRules(version string) bool {
	return strings.HasPrefix(version, "20") && version >= "2026-09"
}
