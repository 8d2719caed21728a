package cli

import (
	"fmt"
	"path/filepath"
	"slices"

	"chartwire/pipeline/mapping"
	schema "chartwire/schemas/hubspot"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
	"chartwire/sinks/notify"

	"github.com/prometheus/client_golang/prometheus"
)

// sink makes a sink of the configuration, and what tells its status.
func (b *builder) sink(name string) (sinks.Sink, func() any, error) {
	if name == "notify" {
		s, err := b.notifySink(b.programs, b.metrics)
		if err != nil {
			return nil, nil, err
		}
		b.beside = append(b.beside, s.Run)
		b.ack = s.AckHandler()
		return s, func() any { return s.Status() }, nil
	}
	s, err := b.hubspotSink(b.programs, b.metrics)
	if err != nil {
		return nil, nil, err
	}
	b.beside = append(b.beside, s.Run)
	return s, func() any { return s.Status() }, nil
}

func (s *site) hubspotSink(programs map[string]*mapping.Program, metrics prometheus.Registerer) (*hubspot.Sink, error) {
	h := s.cfg.Sinks.HubSpot
	return hubspot.New(hubspot.Config{
		BaseURL: h.URL, Token: h.Token.Current, PortalID: int64(h.Portal), APIVersion: h.Version,
		Share: float64(h.Share), CallTimeout: h.Timeout, Needs: needs(programs, h.WaivePHI), Log: s.log, Metrics: metrics,
	})
}

// needs is what all maps need of HubSpot.
func needs(programs map[string]*mapping.Program, waived []string) []hubspot.Need {
	var out []hubspot.Need
	for _, flow := range keys(programs) {
		for _, n := range programs[flow].Needs("hubspot") {
			need := hubspot.Need{Map: n.Map, Object: n.Object, Unique: n.Unique}
			for _, p := range n.Properties {
				np := hubspot.NeedProperty{Name: p.Name, Type: p.Type, PHI: p.PHI,
					Waived: p.PHI && p.Plain() || slices.Contains(waived, n.Object+"."+p.Name)}
				for _, o := range p.Options {
					np.Options = append(np.Options, o.Label)
				}
				need.Properties = append(need.Properties, np)
			}
			need.Pipelines = pipelines(n.Pipelines)
			for _, l := range programs[flow].Links("hubspot") {
				if l.Map == n.Map && l.From == n.Object {
					need.Links = append(need.Links, hubspot.NeedLink{To: l.To, Label: l.Label})
				}
			}
			out = append(out, need)
		}
	}
	return out
}

func pipelines(list []*schema.Pipeline) []hubspot.NeedPipeline {
	var out []hubspot.NeedPipeline
	for _, p := range list {
		np := hubspot.NeedPipeline{Label: p.Label}
		for _, st := range p.Stages {
			np.Stages = append(np.Stages, st.Label)
		}
		out = append(out, np)
	}
	return out
}

func (s *site) notifySink(programs map[string]*mapping.Program, metrics prometheus.Registerer) (*notify.Sink, error) {
	n := s.cfg.Sinks.Notify
	routes := map[string]notify.Route{}
	for name, r := range n.Routes {
		routes[name] = notify.Route{URL: r.URL, Second: r.Second, After: r.After}
	}
	var named []string
	for _, flow := range keys(programs) {
		named = append(named, programs[flow].Routes()...)
	}
	sink, err := notify.New(notify.Config{
		Routes: routes, Needs: named, Key: n.Key.Current, Link: n.Link,
		Journal:  filepath.Join(s.cfg.Data, "notify.journal"),
		AckURL:   n.AckURL,
		Watchdog: notify.Watchdog{URL: n.Watchdog, Healthy: s.healthy}, Log: s.log, Metrics: metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("sinks.notify: %w", err)
	}
	return sink, nil
}
