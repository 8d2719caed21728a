package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	schema "chartwire/schemas/hubspot"
)

// Plan is what an account lacks of what the object definitions ask for. It is
// carried out only by Provision, when a person has read it.
type Plan struct {
	Steps []Step
	// Conflicts are definitions that the account has otherwise, and that
	// cannot be changed after creation; a person decides.
	Conflicts []Problem
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// String shows the plan, one line a step.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "create %s\n", s.Text)
	}
	for _, c := range p.Conflicts {
		fmt.Fprintf(&b, "conflict %s.%s: %s: %s\n", c.Object, c.Property, c.Text, c.Fix)
	}
	if b.Len() == 0 {
		return "nothing to do: the account has everything\n"
	}
	return b.String()
}

// Step is one thing to create.
type Step struct {
	Text   string // such as "contacts.patient_status_om, enumeration of 6 options"
	object string
	call   call
}

// Plan reads the account and compares it with the definitions. It changes
// nothing.
func (s *Sink) Plan(ctx context.Context, want *schema.Schema) (*Plan, error) {
	var names []string
	for _, o := range want.Objects {
		names = append(names, o.Name)
	}
	live, err := s.ReadSchema(ctx, names...)
	if err != nil {
		return nil, err
	}
	p := &planner{paths: s.paths}
	for _, o := range want.Objects {
		have := live.Object(o.Name)
		if have == nil {
			p.conflict(o.Name, "", "the account does not have this object", "switch it on in HubSpot's settings")
			continue
		}
		groups, err := s.readGroups(ctx, o.Name)
		if err != nil {
			return nil, fmt.Errorf("reading the property groups of %s: %w", o.Name, err)
		}
		p.object(o, have, groups)
		for _, a := range o.Associations {
			live, err := s.readAssociation(ctx, o.Name, a.To)
			if err != nil {
				return nil, err
			}
			p.association(o.Name, a, live)
		}
	}
	return &p.plan, nil
}

func (s *Sink) readGroups(ctx context.Context, object string) ([]string, error) {
	var page struct {
		Results []struct {
			Name string `json:"name"`
		} `json:"results"`
	}
	if err := s.get(ctx, object, join(s.paths.properties, object, "groups"), nil, &page); err != nil {
		return nil, err
	}
	var names []string
	for _, g := range page.Results {
		names = append(names, g.Name)
	}
	return names, nil
}

// Provision carries a plan out, step by step, and stops at the first that
// fails: what was created stays, and the next Plan no longer lists it.
func (s *Sink) Provision(ctx context.Context, p *Plan) error {
	for _, step := range p.Steps {
		c := step.call
		c.kind, c.object = kindAccount, step.object
		if _, err := s.ask(ctx, &c); err != nil {
			return fmt.Errorf("creating %s: %w", step.Text, err)
		}
		s.cfg.Log.Info("created in HubSpot", "object", step.object, "what", step.Text)
	}
	return nil
}

type planner struct {
	paths paths
	plan  Plan
}

func (p *planner) conflict(object, property, text, fix string) {
	p.plan.Conflicts = append(p.plan.Conflicts, Problem{Object: object, Property: property, Text: text, Fix: fix})
}

func (p *planner) step(object, method, path string, body any, format string, args ...any) {
	p.plan.Steps = append(p.plan.Steps, Step{Text: fmt.Sprintf(format, args...), object: object, call: call{method: method, path: path, body: body}})
}

func (p *planner) object(want, have *schema.Object, groups []string) {
	for _, g := range want.Groups {
		if !slices.Contains(groups, g.Name) {
			p.step(want.Name, http.MethodPost, join(p.paths.properties, want.Name, "groups"),
				map[string]string{"name": g.Name, "label": g.Label}, "%s: property group %q", want.Name, g.Label)
		}
	}
	for _, wp := range want.Properties {
		switch hp := have.Property(wp.Name); {
		case hp != nil:
			p.compare(want.Name, wp, hp)
		case wp.Defined:
			p.conflict(want.Name, wp.Name, "HubSpot's own property is not in this account", "map another property")
		default:
			p.step(want.Name, http.MethodPost, join(p.paths.properties, want.Name), definitionOf(wp), "%s.%s, %s", want.Name, wp.Name, describe(wp))
		}
	}
	for _, wl := range want.Pipelines {
		p.pipeline(want.Name, wl, have.Pipelines)
	}
}

func describe(p *schema.Property) string {
	text := p.Type
	if p.Unique {
		text += ", unique"
	}
	if !p.Plain() {
		text += ", " + p.Sensitivity
	}
	if p.Type == schema.Enumeration {
		text += fmt.Sprintf(" of %d options", len(p.Options))
	}
	return text
}

// newProperty is the body that creates a property.
type newProperty struct {
	Name            string      `json:"name"`
	Label           string      `json:"label"`
	GroupName       string      `json:"groupName"`
	Description     string      `json:"description,omitempty"`
	Type            string      `json:"type"`
	FieldType       string      `json:"fieldType"`
	HasUniqueValue  bool        `json:"hasUniqueValue,omitempty"`
	DataSensitivity string      `json:"dataSensitivity"`
	Categories      []string    `json:"sensitiveDataCategories,omitempty"`
	FormField       bool        `json:"formField"`
	Options         []newOption `json:"options,omitempty"`
}

type newOption struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

func definitionOf(p *schema.Property) newProperty {
	n := newProperty{Name: p.Name, Label: p.Label, GroupName: p.Group, Description: p.Description, Type: p.Type, FieldType: p.Field,
		HasUniqueValue: p.Unique, DataSensitivity: firstOf(p.Sensitivity, schema.NonSensitive)}
	if !p.Plain() {
		n.Categories = []string{"HIPAA"}
	}
	if p.Type == schema.Enumeration || p.Type == schema.Bool {
		n.Options = optionsOf(p.Options)
	}
	return n
}

func optionsOf(options []schema.Option) []newOption {
	list := make([]newOption, len(options))
	for i, o := range options {
		list[i] = newOption{Label: o.Label, Value: o.Value, DisplayOrder: i}
	}
	return list
}

// compare finds what a property there is cannot become, and adds the options
// that it lacks.
func (p *planner) compare(object string, want, have *schema.Property) {
	if want.Type != have.Type {
		p.conflict(object, want.Name, fmt.Sprintf("is %s, wanted %s", have.Type, want.Type), "rename ours in schemas/hubspot and in the maps")
		return
	}
	if want.Unique && !have.Unique {
		p.conflict(object, want.Name, "is not unique, and cannot become so", "archive it in HubSpot and let it be created anew, or rename ours")
	}
	if !want.Plain() && have.Plain() {
		p.conflict(object, want.Name, "is not protected as "+want.Sensitivity+", and cannot become so", "archive it in HubSpot and let it be created anew, or rename ours")
	}
	var missing []string
	all := slices.Clone(have.Options)
	for _, o := range want.Options {
		if want.Type == schema.Enumeration && !slices.ContainsFunc(have.Options, func(h schema.Option) bool { return h.Value == o.Value || fold1(h.Label) == fold1(o.Label) }) {
			missing, all = append(missing, o.Label), append(all, o)
		}
	}
	if len(missing) > 0 {
		p.step(object, http.MethodPatch, join(p.paths.properties, object, want.Name), map[string]any{"options": optionsOf(all)},
			"%s.%s: options %s", object, want.Name, strings.Join(missing, ", "))
	}
}

// newStage is the body of a pipeline's stage.
type newStage struct {
	Label        string            `json:"label"`
	DisplayOrder int               `json:"displayOrder"`
	Metadata     map[string]string `json:"metadata"`
}

func stageOf(st schema.Stage, order int) newStage {
	n := newStage{Label: st.Label, DisplayOrder: order, Metadata: map[string]string{}}
	if st.State != "" {
		n.Metadata["ticketState"] = st.State
	}
	if st.Probability != "" {
		n.Metadata["probability"] = st.Probability
	}
	return n
}

func (p *planner) pipeline(object string, want *schema.Pipeline, have []*schema.Pipeline) {
	i := slices.IndexFunc(have, func(h *schema.Pipeline) bool { return fold1(h.Label) == fold1(want.Label) })
	if i < 0 {
		var stages []newStage
		for n, st := range want.Stages {
			stages = append(stages, stageOf(st, n))
		}
		p.step(object, http.MethodPost, join(p.paths.pipelines, object),
			map[string]any{"label": want.Label, "displayOrder": len(have), "stages": stages}, "%s: pipeline %q of %s stages", object, want.Label, strconv.Itoa(len(stages)))
		return
	}
	for n, st := range want.Stages {
		if !slices.ContainsFunc(have[i].Stages, func(h schema.Stage) bool { return fold1(h.Label) == fold1(st.Label) }) {
			p.step(object, http.MethodPost, join(p.paths.pipelines, object, have[i].ID, "stages"), stageOf(st, n), "%s: stage %q of pipeline %q", object, st.Label, want.Label)
		}
	}
}

func (p *planner) association(object string, want, have *schema.Association) {
	if have == nil {
		p.conflict(object, "associations with "+want.To, "HubSpot does not associate them", "take the labels out of schemas/hubspot")
		return
	}
	for _, l := range want.Labels {
		if slices.ContainsFunc(have.Labels, func(h schema.AssociationLabel) bool { return fold1(h.Label) == fold1(l.Label) }) {
			continue
		}
		body := map[string]string{"label": l.Label, "name": l.Name}
		if l.Inverse != "" {
			body["inverseLabel"] = l.Inverse
		}
		p.step(object, http.MethodPost, join(p.paths.associations, object, want.To, "labels"), body, "%s: association label %q with %s", object, l.Label, want.To)
	}
}
