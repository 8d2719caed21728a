package hubspot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chartwire/cdc"
	schema "chartwire/schemas/hubspot"
)

// relation is two objects, in one direction.
type relation struct{ from, to string }

// relationsOf lists what the needs link, once each.
func relationsOf(needs []Need) []relation {
	var all []relation
	for _, n := range needs {
		for _, l := range n.Links {
			all = append(all, relation{n.Object, l.To})
		}
	}
	slices.SortFunc(all, func(a, b relation) int {
		return strings.Compare(a.from+"/"+a.to, b.from+"/"+b.to)
	})
	return slices.Compact(all)
}

// readAssociation reads how the account associates one object with another:
// nil if it does not, or does not know one of them.
func (s *Sink) readAssociation(ctx context.Context, from, to string) (*schema.Association, error) {
	var page struct {
		Results []struct {
			Category string `json:"category"`
			ID       int    `json:"typeId"`
			Label    string `json:"label"`
		} `json:"results"`
	}
	err := s.get(ctx, from, join(s.paths.associations, from, to, "labels"), nil, &page)
	switch {
	case err != nil && (absent(err) || cdc.HaltCode(err) == "" && !passing(err)):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading how HubSpot associates %s with %s: %w", from, to, err)
	case len(page.Results) == 0:
		return nil, nil
	}
	a := &schema.Association{To: to}
	for _, r := range page.Results {
		a.Labels = append(a.Labels, schema.AssociationLabel{Label: r.Label, Category: r.Category, ID: r.ID})
	}
	return a, nil
}

// typesOf are the types of an association by their folded labels; "" is the one
// without a label.
func typesOf(a *schema.Association) map[string]linkType {
	types := map[string]linkType{}
	if a == nil {
		return types
	}
	for _, l := range a.Labels {
		if _, twice := types[fold1(l.Label)]; !twice || l.Category == "USER_DEFINED" {
			types[fold1(l.Label)] = linkType{l.Category, l.ID}
		}
	}
	return types
}

// labels are the types of associations from one object to another: as read at
// Open, or now where they were not, or fresh says so.
func (s *Sink) labels(ctx context.Context, from, to string, fresh bool) (map[string]linkType, error) {
	r := relation{from, to}
	s.mu.Lock()
	types, known := s.links[r]
	s.mu.Unlock()
	if known && !fresh {
		return types, nil
	}
	a, err := s.readAssociation(ctx, from, to)
	if err != nil {
		return nil, err
	}
	types = typesOf(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[r] = types
	return types, nil
}

// learnLinks reads the associations that the needs ask for into the objects,
// and takes them up.
func (s *Sink) learnLinks(ctx context.Context, needs []Need, live *schema.Schema) error {
	links := map[relation]map[string]linkType{}
	for _, r := range relationsOf(needs) {
		a, err := s.readAssociation(ctx, r.from, r.to)
		if err != nil {
			return err
		}
		if o := live.Object(r.from); o != nil && a != nil {
			o.Associations = append(o.Associations, a)
		}
		links[r] = typesOf(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = links
	return nil
}

// links checks that the account associates what the map links, by its labels.
func (g *guard) links() {
	for _, l := range g.need.Links {
		place := "links to " + l.To
		a := g.object.Association(l.To)
		switch {
		case a == nil || l.Label == "" && !slices.ContainsFunc(a.Labels, unlabelled):
			g.bad(place, "take the link out of the map, or link by an object in between", "HubSpot does not associate %s with %s", g.need.Object, l.To)
		case !slices.ContainsFunc(a.Labels, func(h schema.AssociationLabel) bool { return fold1(h.Label) == fold1(l.Label) }):
			var offered []string
			for _, h := range a.Labels {
				if h.Label != "" {
					offered = append(offered, h.Label)
				}
			}
			g.bad(place, fixCreate, "no association label %q; there are: %s", l.Label, brief(offered))
		}
	}
}

func unlabelled(l schema.AssociationLabel) bool { return l.Label == "" }
