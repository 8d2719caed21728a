package hubspot

import "slices"

// Schema is a set of objects, in the order of their names.
type Schema struct {
	Objects []*Object
}

// Object returns the named object, or nil.
func (s *Schema) Object(name string) *Object {
	for _, o := range s.Objects {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// Object is one HubSpot object type.
type Object struct {
	Name   string // as in URLs: "contacts"; of a custom object its name
	TypeID string // "0-1"; empty for a custom object, whose id the account gives
	// Custom is nil for objects that every account has.
	Custom     *Custom
	Groups     []Group     // property groups to create
	Properties []*Property // in the order of their names
	Pipelines  []*Pipeline
	// Associations are those with other objects: of a file the labels to create,
	// of an account those that were asked for.
	Associations []*Association
}

// Association is how one object is associated with another.
type Association struct {
	To     string
	Labels []AssociationLabel
}

// AssociationLabel is one kind of association.
type AssociationLabel struct {
	Label    string // "" for the association without one
	Inverse  string // the label from the other end; "" is the same
	Name     string // to create it by
	Category string // the account's; empty in files
	ID       int    // the account's, of this direction
}

// Custom says how to create a custom object.
type Custom struct {
	Singular string `yaml:"singular"`
	Plural   string `yaml:"plural"`
	// Display is the property shown as a record's name.
	Display  string   `yaml:"display"`
	Required []string `yaml:"required"`
	// Sensitive says that its properties may be sensitive; it cannot be
	// changed after creation.
	Sensitive bool `yaml:"sensitive"`
}

// Group is a property group.
type Group struct{ Name, Label string }

// The property types of HubSpot.
const (
	String      = "string"
	Number      = "number"
	Date        = "date"
	DateTime    = "datetime"
	Bool        = "bool"
	Enumeration = "enumeration"
)

// The sensitivities of a property. The zero value means NonSensitive.
const (
	NonSensitive    = "non_sensitive"
	Sensitive       = "sensitive"
	HighlySensitive = "highly_sensitive"
)

// Property is one property of an object.
type Property struct {
	Name        string   `yaml:"-"`
	Label       string   `yaml:"label"`
	Description string   `yaml:"description"`
	Type        string   `yaml:"type"`  // one of the constants above
	Field       string   `yaml:"field"` // HubSpot's fieldType; given a default by the loader
	Group       string   `yaml:"group"`
	Options     []Option `yaml:"options"`
	Unique      bool     `yaml:"unique"` // hasUniqueValue
	Sensitivity string   `yaml:"sensitivity"`
	// Defined says that HubSpot defines the property: it is there in every
	// account and cannot be created.
	Defined  bool `yaml:"defined"`
	ReadOnly bool `yaml:"read_only"` // read-only value, or calculated
	// Required says that HubSpot refuses a new record without it.
	Required bool `yaml:"required"`
}

// Plain reports whether everybody who sees the record sees the value.
func (p *Property) Plain() bool {
	return p.Sensitivity == "" || p.Sensitivity == NonSensitive
}

// Option is one choice of an enumeration. Maps name the Label.
type Option struct{ Label, Value string }

// Pipeline is a pipeline with its stages, in order. Maps name labels.
type Pipeline struct {
	ID     string // the account's; empty in files
	Label  string
	Stages []Stage
}

// Stage is one stage of a pipeline.
type Stage struct {
	ID    string // the account's; empty in files
	Label string
	// State is OPEN or CLOSED for tickets.
	State string
	// Probability is for deals, such as "0.2".
	Probability string
}

// Property returns the named property, or nil.
func (o *Object) Property(name string) *Property {
	for _, p := range o.Properties {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Association returns that with another object, or nil.
func (o *Object) Association(to string) *Association {
	for _, a := range o.Associations {
		if a.To == to {
			return a
		}
	}
	return nil
}

// Pipeline returns the pipeline with the label, or nil.
func (o *Object) Pipeline(label string) *Pipeline {
	for _, p := range o.Pipelines {
		if p.Label == label {
			return p
		}
	}
	return nil
}

// PipelineProperties names the properties that hold a record's pipeline and
// stage: deals have names of their own.
func (o *Object) PipelineProperties() (pipeline, stage string) {
	if o.Name == "deals" {
		return "pipeline", "dealstage"
	}
	return "hs_pipeline", "hs_pipeline_stage"
}

// Option returns the option with the label, or nil.
func (p *Property) Option(label string) *Option {
	i := slices.IndexFunc(p.Options, func(o Option) bool { return o.Label == label })
	if i < 0 {
		return nil
	}
	return &p.Options[i]
}
