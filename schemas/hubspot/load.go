package hubspot

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed *.yaml
var files embed.FS

// Default returns the objects of the embedded files.
func Default() (*Schema, error) { return Load(files) }

// file is an object as it is written.
type file struct {
	Object     string               `yaml:"object"`
	TypeID     string               `yaml:"type_id"`
	Custom     *Custom              `yaml:"custom"`
	Groups     yaml.MapSlice        `yaml:"groups"`
	Properties map[string]*Property `yaml:"properties"`
	Pipelines  []filePipeline       `yaml:"pipelines"`
	// Associations are labels to create, by the other object.
	Associations map[string][]fileLabel `yaml:"associations"`
}

type fileLabel struct {
	Name    string `yaml:"name"`
	Label   string `yaml:"label"`
	Inverse string `yaml:"inverse"`
}

type filePipeline struct {
	Label  string `yaml:"label"`
	Stages []struct {
		Label       string `yaml:"label"`
		State       string `yaml:"state"`
		Probability string `yaml:"probability"`
	} `yaml:"stages"`
}

// UnmarshalYAML reads an option: "label" where label and value are the same,
// or "label: value".
func (o *Option) UnmarshalYAML(b []byte) error {
	var text string
	if err := yaml.Unmarshal(b, &text); err == nil {
		o.Label, o.Value = text, text
		return nil
	}
	var pair map[string]string
	if err := yaml.Unmarshal(b, &pair); err != nil || len(pair) != 1 {
		return fmt.Errorf("an option is `label` or `label: value`")
	}
	for o.Label, o.Value = range pair {
	}
	return nil
}

// Load reads all .yaml files of a folder, one object each, strictly: all that
// is wrong in all of them is said at once.
func Load(fsys fs.FS) (*Schema, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, err
	}
	s := &Schema{}
	var problems []error
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		var f file
		if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil {
			problems = append(problems, fmt.Errorf("reading %s: %s", name, yaml.FormatError(err, false, false)))
			continue
		}
		o, errs := f.object()
		for _, e := range errs {
			problems = append(problems, fmt.Errorf("%s: %w", name, e))
		}
		if s.Object(o.Name) != nil {
			problems = append(problems, fmt.Errorf("%s: object %s is described twice", name, o.Name))
		}
		s.Objects = append(s.Objects, o)
	}
	slices.SortFunc(s.Objects, func(a, b *Object) int { return strings.Compare(a.Name, b.Name) })
	return s, errors.Join(problems...)
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// fieldTypes are the pairs of type and fieldType that HubSpot takes; the first
// is the default.
var fieldTypes = map[string][]string{
	String:      {"text", "textarea", "phonenumber", "html", "file"},
	Number:      {"number"},
	Date:        {"date"},
	DateTime:    {"date"},
	Bool:        {"booleancheckbox"},
	Enumeration: {"select", "radio", "checkbox", "booleancheckbox"},
}

func (f *file) object() (*Object, []error) {
	o := &Object{Name: f.Object, TypeID: f.TypeID, Custom: f.Custom}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(f.Object) {
		bad("object %q is not a name", f.Object)
	}
	if (f.TypeID == "") == (f.Custom == nil) {
		bad("an object has either a type_id (HubSpot's own) or custom")
	}
	for _, g := range f.Groups {
		o.Groups = append(o.Groups, Group{fmt.Sprint(g.Key), fmt.Sprint(g.Value)})
	}
	for name, p := range f.Properties {
		p.Name = name
		for _, e := range f.check(p) {
			bad("property %s: %w", name, e)
		}
		o.Properties = append(o.Properties, p)
	}
	slices.SortFunc(o.Properties, func(a, b *Property) int { return strings.Compare(a.Name, b.Name) })
	if n := len(slices.DeleteFunc(slices.Clone(o.Properties), func(p *Property) bool { return !p.Unique || p.Defined })); n > 10 {
		bad("%d unique properties, and HubSpot allows 10 of an object", n)
	}
	for _, fp := range f.Pipelines {
		p := &Pipeline{Label: fp.Label}
		for _, s := range fp.Stages {
			if o.Name == "tickets" && s.State != "OPEN" && s.State != "CLOSED" {
				bad("pipeline %q, stage %q: a ticket's stage has a state, OPEN or CLOSED", fp.Label, s.Label)
			}
			if o.Name == "deals" && s.Probability == "" {
				bad("pipeline %q, stage %q: a deal's stage has a probability", fp.Label, s.Label)
			}
			p.Stages = append(p.Stages, Stage{Label: s.Label, State: s.State, Probability: s.Probability})
		}
		if len(p.Stages) == 0 || p.Label == "" {
			bad("pipeline %q: a pipeline has a label and stages", fp.Label)
		}
		o.Pipelines = append(o.Pipelines, p)
	}
	for _, to := range slices.Sorted(maps.Keys(f.Associations)) {
		a := &Association{To: to}
		for _, l := range f.Associations[to] {
			if !nameForm.MatchString(l.Name) || l.Label == "" {
				bad("associations with %s: a label has a label, and a name of lower-case letters, digits and _", to)
			}
			a.Labels = append(a.Labels, AssociationLabel{Label: l.Label, Inverse: l.Inverse, Name: l.Name})
		}
		o.Associations = append(o.Associations, a)
	}
	return o, errs
}

// check completes a property as it is written and says what is wrong with it.
func (f *file) check(p *Property) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(p.Name) {
		bad("a name is lower-case letters, digits and _")
	}
	fields := fieldTypes[p.Type]
	switch {
	case fields == nil:
		bad("unknown type %q", p.Type)
	case p.Field == "":
		p.Field = fields[0]
	case !slices.Contains(fields, p.Field):
		bad("field %q does not go with type %s; right: %s", p.Field, p.Type, strings.Join(fields, ", "))
	}
	if p.Label == "" {
		bad("has no label")
	}
	if p.Sensitivity == "" {
		p.Sensitivity = NonSensitive
	}
	if !slices.Contains([]string{NonSensitive, Sensitive, HighlySensitive}, p.Sensitivity) {
		bad("unknown sensitivity %q", p.Sensitivity)
	}
	if p.Unique && p.Type != String && p.Type != Number {
		bad("only a string or a number can be unique")
	}
	if p.Type == Bool && len(p.Options) == 0 {
		p.Options = []Option{{"Yes", "true"}, {"No", "false"}}
	}
	pipeline, stage := (&Object{Name: f.Object}).PipelineProperties()
	if p.Type == Enumeration && len(p.Options) == 0 && p.Name != pipeline && p.Name != stage {
		bad("an enumeration has options")
	}
	if p.Type != Enumeration && p.Type != Bool && len(p.Options) > 0 {
		bad("only an enumeration has options")
	}
	if p.Defined {
		return errs
	}
	if p.Group == "" || !slices.ContainsFunc(f.Groups, func(g yaml.MapItem) bool { return g.Key == p.Group }) {
		bad("group %q is not among the object's groups", p.Group)
	}
	return errs
}
