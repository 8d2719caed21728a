package hubspot

import (
	"net/url"
	"strings"
)

// paths is the path table of one API version. HubSpot puts the version in a
// different place in each family, and the undated API has two versions.
type paths struct {
	objects, properties, pipelines, schemas, associations string // followed by /object…
	owners, details, usage                                string
}

func pathsOf(version string) paths {
	if version == "v3" {
		return paths{
			objects:      "/crm/v3/objects",
			properties:   "/crm/v3/properties",
			pipelines:    "/crm/v3/pipelines",
			schemas:      "/crm-object-schemas/v3/schemas",
			associations: "/crm/v4/associations",
			owners:       "/crm/v3/owners",
			details:      "/account-info/v3/details",
			usage:        "/account-info/v3/api-usage/daily/private-apps",
		}
	}
	return paths{
		objects:      "/crm/objects/" + version,
		properties:   "/crm/properties/" + version,
		pipelines:    "/crm/pipelines/" + version,
		schemas:      "/crm-object-schemas/" + version + "/schemas",
		associations: "/crm/associations/" + version,
		owners:       "/crm/owners/" + version,
		details:      "/account-info/" + version + "/details",
		usage:        "/account-info/" + version + "/api-usage/daily/private-apps",
	}
}

// join appends path segments, each escaped.
func join(base string, segments ...string) string {
	var b strings.Builder
	b.WriteString(base)
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
