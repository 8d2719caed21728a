package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chartwire/cdc"
	"chartwire/schemas"
	"chartwire/sinks"
)

// RunExamples executes the examples of all maps, each once for the first source
// that its file was compiled for. What differs is said with the example's place.
func RunExamples(p *Program) Problems {
	var problems Problems
	done := map[*mapFile]bool{}
	for _, m := range p.Maps {
		f := m.plan.file
		if done[f] {
			continue
		}
		done[f] = true
		for _, ex := range f.examples {
			r := &exampleRun{reader: &reader{f.file, &problems}, m: m, ex: ex}
			r.run()
		}
	}
	return problems.sorted()
}

// Examples counts the examples of all maps.
func (p *Program) Examples() int {
	files := map[*mapFile]int{}
	n := 0
	for _, m := range p.Maps {
		if _, ok := files[m.plan.file]; !ok {
			files[m.plan.file] = len(m.plan.file.examples)
			n += len(m.plan.file.examples)
		}
	}
	return n
}

type exampleRun struct {
	*reader
	m  *Map
	ex *exampleFile
	// kept are the best values so far.
	kept map[string]Kept
}

func (r *exampleRun) fail(p place, format string, args ...any) {
	r.bad(p, "example \""+r.ex.name.text+"\": "+fmt.Sprintf(format, args...))
}

// row makes the root's row of an example of a map of one table.
func (r *exampleRun) row(rows []rowFile) (*schemas.RowSchema, cdc.Row, bool) {
	if len(rows) == 0 {
		return nil, nil, true
	}
	root := r.m.plan.table()
	if len(rows) > 1 || rows[0].table.text != root.Name {
		r.fail(rows[len(rows)-1].place, "the entity has one row, of the table %s", root.Name)
		return nil, nil, false
	}
	return r.make(root, &rows[0], 0)
}

// make makes a row. Its schema has only the columns that the example names: the
// others are unknown, so that an example says what it is about and no more. A
// key of one integer that is not named is number, if that is not 0.
func (r *exampleRun) make(table *cdc.Table, f *rowFile, number int) (*schemas.RowSchema, cdc.Row, bool) {
	t := &cdc.Table{Source: table.Source, Database: table.Database, Name: table.Name}
	cells := map[string]*string{}
	ok := true
	set := func(i int, text *string, at place) {
		name := table.Columns[i].Name
		cells[name] = text
		t.Columns = append(t.Columns, table.Columns[i])
		one := &cdc.Table{Name: table.Name, Columns: table.Columns[i : i+1]}
		if _, err := EncodeRow(one, map[string]*string{name: text}); err != nil {
			r.fail(at, "%v", err)
			ok = false
		}
	}
	for _, c := range f.cells {
		i := table.Column(c.from.text)
		if i < 0 {
			r.fail(c.from.place, "the table %s has no column `%s`; %s", table.Name, c.from.text, suggest(c.from.text, columnNames(table), "it has "))
			ok = false
			continue
		}
		text := &c.to.text
		if c.to.null {
			text = nil
		}
		set(i, text, c.to.place)
	}
	for _, k := range table.Key {
		i := t.Column(table.Columns[k].Name)
		if i < 0 && number > 0 && len(table.Key) == 1 && table.Columns[k].Type.Kind == cdc.KindInt {
			text := strconv.Itoa(number)
			set(k, &text, f.place)
			i = len(t.Columns) - 1
		}
		if i < 0 {
			r.fail(f.place, "the row has no `%s`, which is its key", table.Columns[k].Name)
			return nil, nil, false
		}
		t.Key = append(t.Key, i)
	}
	if !ok {
		return nil, nil, false
	}
	row, err := EncodeRow(t, cells)
	if err == nil {
		var s *schemas.RowSchema
		if s, err = schemas.NewRowSchema(t); err == nil {
			return s, row, true
		}
	}
	r.fail(f.place, "%v", err)
	return nil, nil, false
}

func (r *exampleRun) run() {
	switch ex := r.ex; {
	case r.m.plan.clock && ex.today == 0:
		r.fail(ex.place, "the map reads the day, and the example does not say which it is: `today: 2026-01-31`")
		return
	case !r.m.plan.clock && ex.today+ex.yesterday != 0:
		r.fail(ex.place, "the map does not read the day, and the example says one")
		return
	}
	if r.m.Joined() {
		r.runJoined()
		return
	}
	in := &Input{Reason: ReasonChange}
	var ok1, ok2 bool
	in.Schema, in.After, ok1 = r.row(r.ex.rows)
	before := r.ex.before
	if in.Today, in.Yesterday = r.ex.today, r.ex.yesterday; in.Yesterday != 0 {
		in.Reason = ReasonDay
		if len(before) == 0 {
			before = r.ex.rows
		}
	}
	in.BeforeSchema, in.Before, ok2 = r.row(before)
	if !ok1 || !ok2 {
		return
	}
	t, row := in.Schema, in.After
	if row == nil {
		t, row = in.BeforeSchema, in.Before
	}
	if row == nil {
		r.fail(r.ex.place, "it has neither `rows` nor `before`")
		return
	}
	key, err := schemas.AppendKey(nil, t.Table, row)
	if err != nil {
		r.fail(r.ex.place, "%v", err)
		return
	}
	in.Key = string(key)
	if r.ex.reason.text != "" {
		in.Reason = r.ex.reason.text
	}
	if in.Before != nil && r.m.WritesBest() {
		out, err := r.m.Evaluator().Eval(&Input{Key: in.Key, Schema: in.BeforeSchema, After: in.Before, Today: in.Today, Reason: ReasonSnapshot})
		if err != nil {
			r.fail(r.ex.place, "%v", err)
			return
		}
		r.keep(out)
	}
	out, err := r.m.Evaluator().Eval(in)
	if err != nil {
		r.fail(r.ex.place, "%v", err)
		return
	}
	r.judge(out)
}

// keep gives a record the best of the values so far: of `before`, and of `rows`.
func (r *exampleRun) keep(out *Output) {
	if mu := out.Mutation; mu != nil && mu.Existence != sinks.Archived && r.m.WritesBest() {
		if r.kept == nil {
			r.kept = map[string]Kept{}
		}
		r.m.KeepBest(mu, out.Best, r.kept)
	}
}

// judge holds what came out to what the example says.
func (r *exampleRun) judge(out *Output) {
	r.keep(out)
	r.gives(out)
	r.refuses(out)
	r.fires(out)
}

func (r *exampleRun) gives(out *Output) {
	g := r.ex.gives
	if g == nil {
		return
	}
	got := "nothing"
	if out.Mutation != nil {
		got = "record"
		if out.Mutation.Existence == sinks.Archived {
			got = "archived"
		}
	}
	if got != g.verb {
		r.fail(g.place, "it gives %s, and not %s", words[got], words[g.verb])
		return
	}
	if got == "record" {
		r.compare(g.place, "", out.Mutation, g.values)
		r.links(g, out.Mutation.Links)
	}
	if out.Mutation != nil && r.ex.lane.text != "" && out.Mutation.Lane.String() != r.ex.lane.text {
		r.fail(r.ex.lane.place, "the lane is %s, and not %s", out.Mutation.Lane, r.ex.lane.text)
	}
}

var words = map[string]string{"nothing": "nothing", "archived": "the record's archiving", "record": "a record"}

// compare holds a mutation to expected values: exactly these properties.
func (r *exampleRun) compare(at place, what string, m *sinks.Mutation, want []pair) {
	expected := map[string]pair{}
	for _, p := range want {
		expected[p.from.text] = p
	}
	if p, ok := expected["key"]; !ok {
		r.fail(at, "%s`key` is missing; it is %s", what, m.Record.Key)
	} else if p.to.text != m.Record.Key {
		r.fail(p.to.place, "%skey is %s, and not %s", what, m.Record.Key, p.to.text)
	}
	delete(expected, "key")
	for _, q := range m.Properties {
		p, ok := expected[q.Name]
		delete(expected, q.Name)
		got := "`" + q.Value + "`"
		if q.State == sinks.Clear {
			got = "cleared (null)"
		}
		switch {
		case !ok:
			r.fail(at, "%s%s is %s, and the example does not have it", what, q.Name, got)
		case p.to.null != (q.State == sinks.Clear), !p.to.null && p.to.text != q.Value:
			r.fail(p.to.place, "%s%s is %s, and not %s", what, q.Name, got, wanted(p.to))
		}
	}
	for _, name := range sortedKeys(expected) {
		r.fail(expected[name].from.place, "%s%s is not written, and should be %s", what, name, wanted(expected[name].to))
	}
}

func wanted(s scalar) string {
	if s.null {
		return "cleared (null)"
	}
	return "`" + s.text + "`"
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (r *exampleRun) refuses(out *Output) {
	var got, want []string
	for _, x := range out.Refused {
		got = append(got, x.Property)
	}
	at := r.ex.place
	for _, s := range r.ex.lacks {
		want, at = append(want, s.text), s.place
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.fail(at, "refused are [%s], and not [%s]", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// fires holds the rules to what the example says. A rule fires when its
// condition is true now and was not before.
func (r *exampleRun) fires(out *Output) {
	if !r.ex.ruled {
		return
	}
	want := map[string]firesFile{}
	for _, f := range r.ex.fires {
		want[f.rule.text] = f
	}
	for i, v := range out.Verdicts {
		fired := v.Now == True && v.Before != True
		f, ok := want[v.Rule.Name]
		delete(want, v.Rule.Name)
		switch {
		case fired && !ok:
			r.fail(r.ex.place, "the rule %s fires, and should not", v.Rule.Name)
		case !fired && ok:
			r.fail(f.rule.place, "the rule %s does not fire", v.Rule.Name)
		case fired:
			r.fired(f, out.Fire(i, 1))
		}
	}
	for _, name := range sortedKeys(want) {
		r.fail(want[name].rule.place, "there is no rule %s", name)
	}
}

func (r *exampleRun) fired(f firesFile, made []sinks.Mutation) {
	records := map[string]*sinks.Mutation{}
	for i := range made {
		records[made[i].Sink+"."+made[i].Record.Object] = &made[i]
	}
	for _, rec := range f.records {
		m := records[rec.record.text]
		delete(records, rec.record.text)
		if m == nil {
			r.fail(rec.record.place, "the rule %s makes no %s", f.rule.text, rec.record.text)
			continue
		}
		r.compare(rec.record.place, rec.record.text+": ", m, rec.values)
	}
	for _, name := range sortedKeys(records) {
		r.fail(f.rule.place, "the rule %s makes %s too, and the example does not have it", f.rule.text, name)
	}
}
