package hubspot

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"chartwire/cdc"
	schema "chartwire/schemas/hubspot"
)

// liveProperty is a property as HubSpot shows it.
type liveProperty struct {
	Name            string       `json:"name"`
	Label           string       `json:"label"`
	Type            string       `json:"type"`
	FieldType       string       `json:"fieldType"`
	GroupName       string       `json:"groupName"`
	Description     string       `json:"description"`
	Options         []liveOption `json:"options"`
	Calculated      bool         `json:"calculated"`
	HasUniqueValue  bool         `json:"hasUniqueValue"`
	HubspotDefined  bool         `json:"hubspotDefined"`
	DataSensitivity string       `json:"dataSensitivity"`
	Modification    struct {
		ReadOnlyValue   bool  `json:"readOnlyValue"`
		ReadOnlyOptions *bool `json:"readOnlyOptions"`
	} `json:"modificationMetadata"`
}

type liveOption struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// livePipeline is a pipeline as HubSpot shows it.
type livePipeline struct {
	ID       string `json:"id"`
	Label    string `json:"label"`
	Archived bool   `json:"archived"`
	Stages   []struct {
		ID       string `json:"id"`
		Label    string `json:"label"`
		Archived bool   `json:"archived"`
		Metadata struct {
			TicketState string `json:"ticketState"`
			Probability string `json:"probability"`
		} `json:"metadata"`
	} `json:"stages"`
}

// alwaysRequired are properties without which HubSpot creates no record,
// whatever its definitions say.
var alwaysRequired = map[string][]string{
	"tickets": {"subject", "hs_pipeline_stage"},
	"deals":   {"dealname", "dealstage"},
}

// readObject reads an object's properties of every level of sensitivity, its
// pipelines and what it requires. It returns nil if the account has no such
// object.
func (s *Sink) readObject(ctx context.Context, name string) (*schema.Object, error) {
	o := &schema.Object{Name: name}
	for _, level := range []string{schema.NonSensitive, schema.Sensitive, schema.HighlySensitive} {
		var page struct {
			Results []liveProperty `json:"results"`
		}
		err := s.get(ctx, name, join(s.paths.properties, name), url.Values{"dataSensitivity": {level}}, &page)
		if err != nil && !passing(err) && level != schema.NonSensitive {
			continue // the account has no sensitive data
		}
		if err != nil && absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range page.Results {
			o.Properties = append(o.Properties, page.Results[i].property(level))
		}
	}
	slices.SortFunc(o.Properties, func(a, b *schema.Property) int { return strings.Compare(a.Name, b.Name) })
	if err := s.readPipelines(ctx, o); err != nil {
		return nil, err
	}
	return o, s.readRequired(ctx, o)
}

func (l *liveProperty) property(level string) *schema.Property {
	p := &schema.Property{
		Name: l.Name, Label: l.Label, Description: l.Description, Type: l.Type, Field: l.FieldType, Group: l.GroupName,
		Unique: l.HasUniqueValue, Defined: l.HubspotDefined, Sensitivity: firstOf(l.DataSensitivity, level),
		ReadOnly: l.Calculated || l.Modification.ReadOnlyValue,
	}
	for _, o := range l.Options {
		p.Options = append(p.Options, schema.Option{Label: o.Label, Value: o.Value})
	}
	return p
}

// readPipelines reads the pipelines of an object that has the properties for
// them.
func (s *Sink) readPipelines(ctx context.Context, o *schema.Object) error {
	if pipeline, _ := o.PipelineProperties(); o.Property(pipeline) == nil {
		return nil
	}
	var page struct {
		Results []livePipeline `json:"results"`
	}
	if err := s.get(ctx, o.Name, join(s.paths.pipelines, o.Name), nil, &page); err != nil {
		return err
	}
	for _, l := range page.Results {
		if l.Archived {
			continue
		}
		p := &schema.Pipeline{ID: l.ID, Label: l.Label}
		for _, st := range l.Stages {
			if !st.Archived {
				p.Stages = append(p.Stages, schema.Stage{ID: st.ID, Label: st.Label, State: st.Metadata.TicketState, Probability: st.Metadata.Probability})
			}
		}
		o.Pipelines = append(o.Pipelines, p)
	}
	return nil
}

// readRequired marks what a new record cannot do without.
func (s *Sink) readRequired(ctx context.Context, o *schema.Object) error {
	var def struct {
		Required []string `json:"requiredProperties"`
	}
	// Not every token may read schemas; what then is missing here is told by
	// the refusal of the first record.
	if err := s.get(ctx, o.Name, join(s.paths.schemas, o.Name), nil, &def); err != nil && passing(err) {
		return err
	}
	for _, name := range append(alwaysRequired[o.Name], def.Required...) {
		if p := o.Property(name); p != nil {
			p.Required = true
		}
	}
	return nil
}

// passing reports whether a fault will pass, so that reading should be tried
// again rather than done without.
func passing(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || isFault(err) || cdc.HaltCode(err) == "hubspot-credentials"
}

// absent reports whether HubSpot does not know the object.
func absent(err error) bool {
	return cdc.HaltCode(err) == "hubspot-object-missing" || strings.Contains(err.Error(), "infer object type")
}

// definitions are an object's labels, ready to be looked up.
type definitions struct {
	pipeline, stage string                       // the properties that hold them
	options         map[string]map[string]string // property → folded label or value → value
	several         map[string]bool              // properties with several values
	pipelines       map[string]string            // folded label or id → id
	stages          map[string]map[string]string // pipeline id → folded label or id → id
	labels          map[string]map[string]string // property → id or value → label
}

func fold1(label string) string { return strings.ToLower(strings.TrimSpace(label)) }

func define(o *schema.Object) *definitions {
	d := &definitions{options: map[string]map[string]string{}, several: map[string]bool{}, pipelines: map[string]string{}, stages: map[string]map[string]string{}, labels: map[string]map[string]string{}}
	d.pipeline, d.stage = o.PipelineProperties()
	for _, p := range o.Properties {
		if p.Type != schema.Enumeration || p.Name == d.pipeline || p.Name == d.stage {
			continue
		}
		values, labels := map[string]string{}, map[string]string{}
		for _, opt := range p.Options { // a value wins over another option's label
			values[fold1(opt.Label)], labels[opt.Value] = opt.Value, opt.Label
		}
		for _, opt := range p.Options {
			values[fold1(opt.Value)] = opt.Value
		}
		d.options[p.Name], d.several[p.Name], d.labels[p.Name] = values, p.Field == "checkbox", labels
	}
	pipelines, stageLabels := map[string]string{}, map[string]string{}
	d.labels[d.pipeline], d.labels[d.stage] = pipelines, stageLabels
	for _, p := range o.Pipelines {
		d.pipelines[fold1(p.ID)] = p.ID
		stages := map[string]string{}
		for _, st := range p.Stages {
			stages[fold1(st.ID)] = st.ID
		}
		for _, st := range p.Stages {
			stages[fold1(st.Label)], stageLabels[st.ID] = st.ID, st.Label
		}
		d.stages[p.ID] = stages
	}
	for _, p := range o.Pipelines {
		d.pipelines[fold1(p.Label)], pipelines[p.ID] = p.ID, p.Label
	}
	return d
}
