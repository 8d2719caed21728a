package hubspottest

// kind is what HubSpot fixes about one object type.
type kind struct {
	name     string // in paths
	typeID   string // in paths, too
	upper    string // in messages
	title    string // in messages
	plural   string
	created  string // property
	modified string // property
	display  string // primary display property

	merges   bool // two records can become one
	labelled bool // its associations can have labels

	pipeline, stage string   // properties, "" without pipelines
	closed          string   // property: when the record reached a closed stage
	required        []string // on create, in every version
	summary         []string // returned when a read names no properties
	searched        []string // by the query of a search
	properties      []Property
	pipelines       []Pipeline
	groups          []Group
	scopes          []string // further names of the scope for reading and writing
}

// kinds are the object types that the portal has. Another one is another entry
// here, its default properties, and the associations that it may have.
func kinds(opts Options) []kind {
	return []kind{{
		name: "contacts", typeID: "0-1", upper: "CONTACT", title: "Contact", plural: "Contacts",
		created: "createdate", modified: "lastmodifieddate", display: "firstname", merges: true, labelled: true,
		summary:    []string{"email", "firstname", "lastname"},
		searched:   []string{"firstname", "lastname", "email", "phone", "company"},
		properties: contactProperties(),
		groups:     []Group{{Name: "contactinformation", Label: "Contact information", DisplayOrder: 0}, {Name: "analyticsinformation", Label: "Analytics history", DisplayOrder: 1}},
	}, {
		name: "deals", typeID: "0-3", upper: "DEAL", title: "Deal", plural: "Deals",
		created: "createdate", modified: "hs_lastmodifieddate", display: "dealname", merges: true, labelled: true,
		pipeline: "pipeline", stage: "dealstage", closed: "closedate",
		required:   []string{"dealname", "dealstage"},
		summary:    []string{"amount", "closedate", "dealname", "dealstage", "pipeline"},
		searched:   []string{"dealname", "dealstage", "pipeline", "amount", "dealtype"},
		properties: dealProperties(opts),
		pipelines:  dealPipelines(),
		groups:     []Group{{Name: "dealinformation", Label: "Deal information", DisplayOrder: 0}},
	}, {
		name: "tickets", typeID: "0-5", upper: "TICKET", title: "Ticket", plural: "Tickets",
		created: "createdate", modified: "hs_lastmodifieddate", display: "subject", merges: true, labelled: true,
		pipeline: "hs_pipeline", stage: "hs_pipeline_stage",
		required:   []string{"subject", "hs_pipeline_stage"},
		summary:    []string{"content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "subject"},
		searched:   []string{"subject", "content", "hs_ticket_priority"},
		properties: ticketProperties(),
		pipelines:  ticketPipelines(),
		groups:     []Group{{Name: "ticketinformation", Label: "Ticket information", DisplayOrder: 0}},
		scopes:     []string{"tickets"},
	}, {
		name: "products", typeID: "0-7", upper: "PRODUCT", title: "Product", plural: "Products",
		created: "createdate", modified: "hs_lastmodifieddate", display: "name",
		required:   []string{"name"},
		summary:    []string{"description", "name", "price"},
		searched:   []string{"name", "description", "price", "hs_sku"},
		properties: productProperties(),
		groups:     []Group{{Name: "productinformation", Label: "Product information", DisplayOrder: 0}},
		scopes:     []string{"e-commerce"},
	}, {
		name: "line_items", typeID: "0-8", upper: "LINE_ITEM", title: "Line item", plural: "Line items",
		created: "createdate", modified: "hs_lastmodifieddate", display: "name",
		required:   []string{"name"},
		summary:    []string{"quantity", "amount", "price", "name"},
		searched:   []string{"name", "description", "hs_sku"},
		properties: lineItemProperties(opts),
		groups:     []Group{{Name: "lineiteminformation", Label: "Line item information", DisplayOrder: 0}},
		scopes:     []string{"e-commerce"},
	}}
}

func options(labelValue ...string) []Option {
	var list []Option
	for i := 0; i < len(labelValue); i += 2 {
		list = append(list, Option{Label: labelValue[i], Value: labelValue[i+1], DisplayOrder: len(list)})
	}
	return list
}

// hubspotDefined completes default properties: HubSpot owns their definitions.
func hubspotDefined(group string, list []Property) []Property {
	for i := range list {
		p := &list[i]
		p.GroupName, p.HubspotDefined, p.DataSensitivity = group, true, "non_sensitive"
		p.ModificationMetadata.ReadOnlyDefinition = true
		if p.ModificationMetadata.ReadOnlyOptions == nil && p.Type == "enumeration" {
			p.ModificationMetadata.ReadOnlyOptions = new(bool)
		}
		if p.Options == nil {
			p.Options = []Option{}
		}
	}
	return list
}

func text(name, label string) Property {
	return Property{Name: name, Label: label, Type: "string", FieldType: "text"}
}

func area(name, label string) Property {
	return Property{Name: name, Label: label, Type: "string", FieldType: "textarea"}
}

func phone(name, label string) Property {
	return Property{Name: name, Label: label, Type: "string", FieldType: "phonenumber"}
}

func choice(name, label string, opts ...string) Property {
	return Property{Name: name, Label: label, Type: "enumeration", FieldType: "select", Options: options(opts...)}
}

func instant(name, label string) Property {
	return Property{Name: name, Label: label, Type: "datetime", FieldType: "date"}
}

func number(name, label string) Property {
	return Property{Name: name, Label: label, Type: "number", FieldType: "number"}
}

func yesNo(name, label string) Property {
	return Property{Name: name, Label: label, Type: "bool", FieldType: "booleancheckbox", Options: options("True", "true", "False", "false")}
}

// readOnly marks a value that only HubSpot sets.
func readOnly(p Property) Property {
	fixed := true
	p.ModificationMetadata.ReadOnlyValue = true
	if p.Type == "enumeration" {
		p.ModificationMetadata.ReadOnlyOptions = &fixed
	}
	return p
}

// owner is the property that assigns a record to an owner.
func owner(label string) Property {
	fixed := true
	p := Property{Name: "hubspot_owner_id", Label: label, Type: "enumeration", FieldType: "select", ExternalOptions: true, ReferencedObjectType: "OWNER"}
	p.ModificationMetadata.ReadOnlyOptions = &fixed
	return p
}

func calculated(p Property) Property {
	p = readOnly(p)
	p.Calculated = true
	return p
}

func unique(p Property) Property {
	p.HasUniqueValue = true
	return p
}

func external(p Property) Property {
	fixed := true
	p.ExternalOptions, p.ModificationMetadata.ReadOnlyOptions = true, &fixed
	return p
}
