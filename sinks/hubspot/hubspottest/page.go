package hubspottest

import (
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"
)

//go:embed page.html record.html style.css
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock":     func(t time.Time) string { return t.UTC().Format("15:04:05.000") },
	"ms":        func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) },
	"tone":      tone,
	"thousands": thousands,
}).ParseFS(pageFiles, "*"))

// tone is the class of a status.
func tone(status int) string {
	switch {
	case status == 0:
		return "cut"
	case status == http.StatusTooManyRequests || status == http.StatusMultiStatus:
		return "warn"
	case status >= 400:
		return "bad"
	}
	return "good"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// pageObject is one object type on the page.
type pageObject struct {
	Name, Title    string
	Live, Archived int
	Totals         Totals
	Newest         []pageRow
}

// pageRow is one record in a list.
type pageRow struct {
	Object, ID, Key, Title, Stage string
	Links                         int
	Updated                       time.Time
	Archived                      bool
}

type pageData struct {
	Portal            int64
	Now               time.Time
	Latency           Latency
	Daily, DailyLimit int
	Rate              float64
	Failing           int
	Objects           []pageObject
	Faults            []Fault
	Kinds             []FaultKind
	Calls             []Call
	Object, Query     string
	Found             []pageRow
	Searched          bool
}

const pageList = 12

// servePage shows the portal: objects, faults, the newest calls and, for
// ?object=…&q=…, the records found.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	now := time.Now()
	d := pageData{
		Portal: s.opts.PortalID, Now: now, Latency: s.latency, Daily: s.limits.daily, DailyLimit: s.opts.Limits.Daily,
		Kinds: kindsOfFaults, Object: r.FormValue("object"), Query: r.FormValue("q"),
	}
	for _, o := range s.portal.objects {
		po := pageObject{Name: o.name, Title: o.plural, Live: o.live, Archived: len(o.records) - o.live - len(o.merged), Totals: o.totals}
		for _, rec := range slices.Backward(o.order) {
			if len(po.Newest) == pageList {
				break
			}
			if rec.mergedInto == 0 {
				po.Newest = append(po.Newest, o.row(rec))
			}
		}
		d.Objects = append(d.Objects, po)
	}
	for _, f := range s.faults {
		d.Faults = append(d.Faults, *f)
	}
	for _, c := range s.calls.newest(2000) {
		if now.Sub(c.Time) < burstWindow {
			d.Rate += 0.1
			if tone(c.Status) != "good" {
				d.Failing++
			}
		}
	}
	d.Calls = s.calls.newest(40)
	slices.Reverse(d.Calls)
	if o := s.portal.byName[d.Object]; o != nil && d.Query != "" {
		d.Searched, d.Found = true, o.looking(d.Query)
	}
	s.mu.Unlock()
	show(w, "page.html", d)
}

// row is a record in one line: its id, the first unique value it has, a title.
func (o *object) row(r *record) pageRow {
	row := pageRow{Object: o.name, ID: strconv.FormatInt(r.id, 10), Updated: r.updated, Archived: r.archived}
	for _, p := range o.props {
		if v := r.text(p); p.HasUniqueValue && v != "" && (row.Key == "" || !p.HubspotDefined) {
			row.Key = v
		}
	}
	row.Title, _ = o.value(r, o.display)
	if last := o.property("lastname"); last != nil {
		row.Title += " " + r.text(last)
	}
	for _, name := range []string{"amount", "price"} {
		if p := o.property(name); p != nil && r.text(p) != "" {
			row.Title += " · " + r.text(p)
			break
		}
	}
	if o.stage != "" {
		row.Stage = o.stageLabel(r)
	}
	row.Links = len(r.links)
	return row
}

// stageLabel is the stage of a record as a person reads it.
func (o *object) stageLabel(r *record) string {
	id := r.text(o.property(o.stage))
	for _, line := range o.pipelines {
		for _, st := range line.Stages {
			if st.ID == id && line.ID == r.text(o.property(o.pipeline)) {
				return st.Label
			}
		}
	}
	return id
}

// pageLink is one association on a record's page.
type pageLink struct {
	pageRow
	Types []LinkType
}

func (s *Server) pageLinks(links []Link) []pageLink {
	var list []pageLink
	for _, l := range links {
		o := s.portal.byName[l.Object]
		list = append(list, pageLink{o.row(o.find(l.ID)), l.Types})
	}
	return list
}

// looking finds records by id or by the whole text of any value.
func (o *object) looking(query string) []pageRow {
	if r := o.find(query); r != nil {
		return []pageRow{o.row(r)}
	}
	var rows []pageRow
	for _, r := range o.order {
		if len(rows) == 50 {
			break
		}
		if slices.ContainsFunc(r.cells, func(c *cell) bool { return c != nil && c.value == query }) {
			rows = append(rows, o.row(r))
		}
	}
	return rows
}

// serveRecordPage shows one record with its values and their history.
func (s *Server) serveRecordPage(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o := s.portal.byName[r.FormValue("object")]
	var rec *record
	if o != nil {
		rec = o.find(r.FormValue("id"))
	}
	if rec == nil {
		s.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	type line struct {
		Name, Label, Value string
		Writes, Repeats    int
		History            []Version
		Sensitive          bool
	}
	c := s.copy(o, rec)
	data := struct {
		Record
		Title string
		Lines []line
		Ends  []pageLink
	}{Record: c, Title: o.title, Ends: s.pageLinks(c.Links)}
	for _, p := range o.props {
		v, ok := c.Properties[p.Name]
		if !ok && c.Writes[p.Name] == 0 || o.byProp[p.Name] != p {
			continue
		}
		h := c.History[p.Name]
		slices.Reverse(h)
		data.Lines = append(data.Lines, line{p.Name, p.Label, v, c.Writes[p.Name], c.Repeats[p.Name], h, p.DataSensitivity != "non_sensitive"})
	}
	s.mu.Unlock()
	show(w, "record.html", data)
}

func show(w http.ResponseWriter, name string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, data); err != nil {
		fmt.Fprintf(w, "<pre>showing the page: %s</pre>", template.HTMLEscapeString(err.Error()))
	}
}
