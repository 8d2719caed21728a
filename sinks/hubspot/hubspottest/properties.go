package hubspottest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

const maxUnique = 10 // unique properties per object

// propertyInput is what creates or changes a property; nil fields are absent.
type propertyInput struct {
	Name                    *string   `json:"name"`
	Label                   *string   `json:"label"`
	Type                    *string   `json:"type"`
	FieldType               *string   `json:"fieldType"`
	GroupName               *string   `json:"groupName"`
	Description             *string   `json:"description"`
	Options                 *[]Option `json:"options"`
	DisplayOrder            *int      `json:"displayOrder"`
	Hidden                  *bool     `json:"hidden"`
	FormField               *bool     `json:"formField"`
	HasUniqueValue          *bool     `json:"hasUniqueValue"`
	ExternalOptions         *bool     `json:"externalOptions"`
	CalculationFormula      *string   `json:"calculationFormula"`
	ReferencedObjectType    *string   `json:"referencedObjectType"`
	DataSensitivity         *string   `json:"dataSensitivity"`
	SensitiveDataCategories []string  `json:"sensitiveDataCategories"`
}

// serveProperties answers /crm/properties/{version}/{object}…
func (s *Server) serveProperties(q *request) any {
	rest := q.path.rest
	o := s.object(q.path)
	if o == nil {
		return unknownObject(rest)
	}
	switch {
	case len(rest) == 1 && q.Method == http.MethodGet:
		return map[string]any{"results": o.definitions(q)}
	case len(rest) == 1 && q.Method == http.MethodPost:
		var in propertyInput
		if err := q.decode(&in); err != nil {
			return err
		}
		if err := s.mayDefine(o, in); err != nil {
			return err
		}
		return answer{http.StatusCreated, s.defineProperty(q, o, in)}
	case rest[len(rest)-1] == "groups" && len(rest) == 2, len(rest) == 3 && rest[1] == "groups":
		return s.serveGroups(q, o)
	case len(rest) == 3 && rest[1] == "batch" && q.Method == http.MethodPost:
		return s.batchProperties(q, o, rest[2])
	case len(rest) == 2:
		return s.oneProperty(q, o, rest[1])
	}
	return notFound()
}

func unknownObject(rest []string) *apiError {
	if len(rest) == 0 {
		return notFound()
	}
	return refuse(http.StatusBadRequest, "", "Unable to infer object type from: %s", rest[0])
}

// definitions lists the properties of one level of sensitivity.
func (o *object) definitions(q *request) []Property {
	query := q.URL.Query()
	level := query.Get("dataSensitivity")
	if level == "" {
		level = "non_sensitive"
	}
	list := []Property{}
	for _, p := range o.props {
		if o.byProp[p.Name] == p && p.Archived == (query.Get("archived") == "true") && p.DataSensitivity == level {
			list = append(list, p.Property)
		}
	}
	slices.SortStableFunc(list, func(a, b Property) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *Server) oneProperty(q *request, o *object, name string) any {
	p := o.property(name)
	if q.Method == http.MethodGet && q.URL.Query().Get("archived") == "true" {
		p = o.byProp[name]
	}
	if p == nil {
		return refuse(http.StatusNotFound, "OBJECT_NOT_FOUND", "Property %s does not exist for object type %s", name, o.typeID)
	}
	switch q.Method {
	case http.MethodGet:
		return p.Property
	case http.MethodPatch:
		var in propertyInput
		if err := q.decode(&in); err != nil {
			return err
		}
		return s.changeProperty(q, o, p, in)
	case http.MethodDelete:
		if err := p.retire(q); err != nil {
			return err
		}
		return answer{status: http.StatusNoContent}
	}
	return methodNotAllowed()
}

// retire archives a property: its values are no longer shown or taken.
func (p *property) retire(q *request) *apiError {
	if p.HubspotDefined {
		return badRequest("Property %s is defined by HubSpot and cannot be archived", p.Name)
	}
	now := q.now
	p.Archived, p.ArchivedAt = true, &now
	return nil
}

var (
	propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	fieldTypes   = map[string][]string{
		"string":      {"text", "textarea", "phonenumber", "html", "file"},
		"number":      {"number"},
		"date":        {"date"},
		"datetime":    {"date"},
		"bool":        {"booleancheckbox"},
		"enumeration": {"select", "radio", "checkbox", "booleancheckbox"},
	}
	sensitivities = []string{"non_sensitive", "sensitive", "highly_sensitive"}
)

func or[T any](p *T, standard T) T {
	if p == nil {
		return standard
	}
	return *p
}

// mayDefine checks a new property.
func (s *Server) mayDefine(o *object, in propertyInput) *apiError {
	for _, f := range []struct {
		name string
		v    *string
	}{{"name", in.Name}, {"label", in.Label}, {"type", in.Type}, {"fieldType", in.FieldType}, {"groupName", in.GroupName}} {
		if f.v == nil || *f.v == "" {
			return missingFields(f.name)
		}
	}
	name := *in.Name
	switch {
	case !propertyName.MatchString(name):
		return badRequest("Property name must be lowercase, start with a letter and hold letters, digits and _ only, but given: %s", name)
	case strings.HasPrefix(name, "hs_"):
		return badRequest("Property names that start with hs_ are reserved: %s", name)
	case o.property(name) != nil:
		return refuse(http.StatusConflict, "OBJECT_ALREADY_EXISTS", "A property named '%s' already exists.", name)
	case !slices.Contains(fieldTypes[*in.Type], *in.FieldType):
		return badRequest("Property type %s cannot have the field type %s", *in.Type, *in.FieldType)
	case !slices.ContainsFunc(o.groups, func(g Group) bool { return g.Name == *in.GroupName && !g.Archived }):
		return badRequest("Property group %s does not exist", *in.GroupName)
	case !slices.Contains(sensitivities, or(in.DataSensitivity, "non_sensitive")):
		return badRequest("Unknown data sensitivity: %s", *in.DataSensitivity)
	case or(in.DataSensitivity, "non_sensitive") != "non_sensitive" && s.opts.NoSensitiveData:
		return badRequest("Sensitive data is not enabled in this account")
	}
	return s.mayAddProperty(o, in)
}

// mayAddProperty checks what depends on the properties there are.
func (s *Server) mayAddProperty(o *object, in propertyInput) *apiError {
	if or(in.HasUniqueValue, false) {
		if *in.Type != "string" && *in.Type != "number" {
			return badRequest("A property of the type %s cannot have unique values", *in.Type)
		}
		n := 0
		for _, p := range o.props {
			if p.HasUniqueValue && !p.Archived && !p.HubspotDefined {
				n++
			}
		}
		if n >= maxUnique {
			return badRequest("The object type %s has reached its limit of %d unique properties", o.typeID, maxUnique)
		}
	}
	if limit := s.opts.Limits.Properties; limit > 0 && o.customProperties() >= limit {
		e := badRequest("The object type %s has reached its limit of %d custom properties", o.typeID, limit)
		e.Errors = []errorDetail{{Message: e.Message, Code: "LIMIT_EXCEEDED"}}
		return e
	}
	return checkOptions(*in.Type, or(in.Options, nil), or(in.ExternalOptions, false))
}

func (o *object) customProperties() int {
	n := 0
	for _, p := range o.props {
		if !p.HubspotDefined && !p.Archived {
			n++
		}
	}
	return n
}

func checkOptions(typ string, opts []Option, external bool) *apiError {
	if typ == "enumeration" && len(opts) == 0 && !external {
		return badRequest("A property of the type enumeration needs options")
	}
	values, labels := map[string]bool{}, map[string]bool{}
	for _, o := range opts {
		if o.Value == "" || o.Label == "" {
			return missingFields("label", "value")
		}
		if values[o.Value] || labels[strings.ToLower(o.Label)] {
			return badRequest("Property options must have unique labels and values: %s", o.Label)
		}
		values[o.Value], labels[strings.ToLower(o.Label)] = true, true
	}
	return nil
}

func (s *Server) defineProperty(q *request, o *object, in propertyInput) Property {
	now := q.now
	def := Property{
		Name: *in.Name, Label: *in.Label, Type: *in.Type, FieldType: *in.FieldType, GroupName: *in.GroupName,
		Description: or(in.Description, ""), Options: or(in.Options, []Option{}), DisplayOrder: or(in.DisplayOrder, -1),
		ExternalOptions: or(in.ExternalOptions, false), ReferencedObjectType: or(in.ReferencedObjectType, ""),
		HasUniqueValue: or(in.HasUniqueValue, false), Hidden: or(in.Hidden, false), FormField: or(in.FormField, false),
		DataSensitivity: or(in.DataSensitivity, "non_sensitive"), SensitiveDataCategories: in.SensitiveDataCategories,
		CreatedAt: &now, UpdatedAt: &now,
	}
	if def.Type == "bool" && len(def.Options) == 0 {
		def.Options = options("True", "true", "False", "false")
	}
	def.ModificationMetadata.Archivable = true
	if def.Type == "enumeration" {
		def.ModificationMetadata.ReadOnlyOptions = new(bool)
	}
	if in.CalculationFormula != nil {
		def.Calculated, def.ModificationMetadata.ReadOnlyValue = true, true
	}
	return o.define(def).Property
}

// changeProperty changes a definition; name, uniqueness and sensitivity stay
// for ever.
func (s *Server) changeProperty(q *request, o *object, p *property, in propertyInput) any {
	fixed := p.ModificationMetadata
	switch {
	case in.Name != nil && *in.Name != p.Name:
		return badRequest("The name of a property cannot be changed")
	case in.HasUniqueValue != nil:
		return badRequest("hasUniqueValue cannot be changed after the property was created")
	case in.DataSensitivity != nil || in.SensitiveDataCategories != nil:
		return badRequest("dataSensitivity cannot be changed after the property was created")
	case fixed.ReadOnlyDefinition && (in.Label != nil || in.Type != nil || in.FieldType != nil || in.GroupName != nil || in.Description != nil):
		return badRequest("The definition of property %s is read only", p.Name)
	case in.Options != nil && fixed.ReadOnlyOptions != nil && *fixed.ReadOnlyOptions:
		return badRequest("The options of property %s are read only", p.Name)
	}
	typ, field, opts := or(in.Type, p.Type), or(in.FieldType, p.FieldType), or(in.Options, p.Options)
	if !slices.Contains(fieldTypes[typ], field) {
		return badRequest("Property type %s cannot have the field type %s", typ, field)
	}
	if in.GroupName != nil && !slices.ContainsFunc(o.groups, func(g Group) bool { return g.Name == *in.GroupName }) {
		return badRequest("Property group %s does not exist", *in.GroupName)
	}
	if err := checkOptions(typ, opts, p.ExternalOptions); err != nil {
		return err
	}
	p.Type, p.FieldType, p.Options = typ, field, opts
	p.Label, p.GroupName = or(in.Label, p.Label), or(in.GroupName, p.GroupName)
	p.Description, p.DisplayOrder = or(in.Description, p.Description), or(in.DisplayOrder, p.DisplayOrder)
	p.Hidden, p.FormField = or(in.Hidden, p.Hidden), or(in.FormField, p.FormField)
	now := q.now
	p.UpdatedAt = &now
	return p.Property
}
