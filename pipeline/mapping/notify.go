package mapping

import "chartwire/schemas/hubspot"

// notifyKey is the property that makes a repeated notification the same one.
const notifyKey = "page_key"

// notifySchema is what the sink "notify" takes: pages. A page says which route
// of the configuration it goes to and what it is about, and nothing of the
// patient; who needs more follows the link to the record in `about`.
var notifySchema = &hubspot.Schema{Objects: []*hubspot.Object{{
	Name: "pages",
	Properties: []*hubspot.Property{
		{Name: "route", Type: hubspot.String}, // else the default one
		{Name: "title", Type: hubspot.String, Required: true},
		{Name: "text", Type: hubspot.String},
		{Name: "severity", Type: hubspot.String}, // else that of its lane
		// about names the record that the page is about as object/property/key.
		// Left out, it is the record that the rule makes beside the page, or
		// else the record of the entity.
		{Name: "about", Type: hubspot.String},
		{Name: notifyKey, Type: hubspot.String, Unique: true},
	},
}}}
