package notify

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"chartwire/sinks"
)

// The object and the key property of a notification.
const (
	Object      = "pages"
	KeyProperty = "page_key"
)

// Properties are what a write to Object may set.
//
//   - route: the route it goes to; "default" if absent
//   - title, text: the rule author's words; title is required
//   - severity: such as "critical"; by its lane if absent
//   - about: the record it is about, as object/property/key
var Properties = []string{"route", "title", "text", "severity", "about", KeyProperty}

// Page is the body of a notification.
type Page struct {
	ID       string `json:"id"`
	Route    string `json:"route"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Text     string `json:"text,omitempty"`
	Link     string `json:"link,omitempty"`
	Record   Record `json:"record,omitzero"`
	// Escalated says that the first person did not acknowledge in time, and
	// Of whom the page was first.
	Escalated bool   `json:"escalated,omitempty"`
	Of        string `json:"of,omitempty"`
	// Misrouted is the route that was meant where that is not configured or
	// refuses pages.
	Misrouted string `json:"misrouted,omitempty"`
	// Acknowledge is a URL: a POST there says that somebody takes care.
	Acknowledge string    `json:"acknowledge,omitempty"`
	Created     time.Time `json:"created"`
}

// Record is what a page is about: the kind of record, and a reference that is
// the same in all pages about it.
type Record struct {
	Object    string `json:"object"`
	Reference string `json:"reference"`
}

// page makes the body of a write, or says which property is refused.
func (s *Sink) page(w *sinks.Write, key string, now time.Time) (*Page, *sinks.Rejected) {
	if w.Record.Object != Object {
		return nil, &sinks.Rejected{Code: "UNKNOWN_OBJECT", Class: "refused", Message: "notifications are writes to the object " + Object}
	}
	p := &Page{ID: identify(key, "page", w.Record.ID()), Route: DefaultRoute, Created: now.UTC()}
	about := ""
	for i := range w.Properties {
		prop := &w.Properties[i]
		switch {
		case !slices.Contains(Properties, prop.Name):
			return nil, &sinks.Rejected{Property: prop.Name, Code: "UNKNOWN_PROPERTY", Class: "refused", Message: "a notification has only " + strings.Join(Properties, ", ")}
		case prop.PHI:
			return nil, &sinks.Rejected{Property: prop.Name, Code: "PATIENT_DATA", Class: "refused", Message: "a notification carries no patient data: leave the property out, who may see it follows the link"}
		case prop.State != sinks.Set:
			continue
		}
		switch prop.Name {
		case "route":
			p.Route = prop.Value
		case "title":
			p.Title = prop.Value
		case "text":
			p.Text = prop.Value
		case "severity":
			p.Severity = prop.Value
		case "about":
			about = prop.Value
		}
	}
	if p.Title == "" {
		return nil, &sinks.Rejected{Code: "NO_TITLE", Class: "refused", Message: "a notification needs a title"}
	}
	if p.Severity == "" {
		p.Severity = severityOf(w.Lane)
	}
	s.refer(p, about, key)
	if s.cfg.AckURL != "" {
		p.Acknowledge = s.ackLink(key, p.ID)
	}
	return p, nil
}

func severityOf(lane sinks.Lane) string {
	if lane == sinks.Safety {
		return "critical"
	}
	return "info"
}

// refer fills in record and link. The record's key goes nowhere but into a
// link whose template asks for it.
func (s *Sink) refer(p *Page, about, key string) {
	if about == "" {
		return
	}
	object, rest, _ := strings.Cut(about, "/")
	property, recordKey, _ := strings.Cut(rest, "/")
	p.Record = Record{Object: object, Reference: identify(key, "record", about)}
	p.Link = strings.NewReplacer(
		"{object}", escape(object), "{property}", escape(property), "{key}", escape(recordKey), "{reference}", p.Record.Reference,
	).Replace(s.cfg.Link)
}

// escape makes a text fit for any place of a URL.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

func (s *Sink) ackLink(key, id string) string {
	sep := "?"
	if strings.Contains(s.cfg.AckURL, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%sid=%s&token=%s", s.cfg.AckURL, sep, id, ackToken(key, id))
}
