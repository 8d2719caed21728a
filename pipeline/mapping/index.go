package mapping

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/expr"
	"chartwire/schemas"
)

// indexPlan gives the text under which a row is found: its parts, each an
// expression over the row.
type indexPlan struct {
	table   *cdc.Table
	columns []string
	types   []expr.Type
	parts   []*expr.Expr
	kinds   []expr.Type // what the parts are before they are texts
	// guard is the local number of a pivot's key column, guardKey the key that
	// it has to hold; -1: all rows have a text.
	guard    int
	guardKey string
}

// tableScope is an expr.Scope over one table.
type tableScope struct {
	c      *checker
	source *Source
	plan   *indexPlan
	// path gives the column that a path means, or a problem.
	path func(path string) (column, problem string)
}

func bare(path string) (string, string) {
	if strings.Contains(path, ".") {
		return "", "only the row's own columns can be read here, by their bare names"
	}
	return path, ""
}

// Column implements expr.Scope.
func (s *tableScope) Column(path string) (int, *cdc.Type, string) {
	name, problem := s.path(path)
	if problem != "" {
		return 0, nil, problem
	}
	if s.plan.table == nil {
		return 0, nil, ""
	}
	n := nodePlan{table: s.plan.table, columns: s.plan.columns, types: s.plan.types}
	i, t, problem := n.column(name)
	s.plan.columns, s.plan.types = n.columns, n.types
	return i, t, problem
}

// Zone implements expr.Scope.
func (s *tableScope) Zone([]int) *time.Location { return s.source.Zone }

// Today implements expr.Scope.
func (s *tableScope) Today() string {
	return "what belongs together, and which map is at work, does not change with the day: today() can stand in conditions and properties"
}

// SiteKey implements expr.Scope.
func (s *tableScope) SiteKey() []byte { return s.c.siteKey() }

// Many implements expr.Scope.
func (s *tableScope) Many(string) bool { return false }

// Enter implements expr.Scope.
func (s *tableScope) Enter(string) (int, int, string) {
	return 0, 0, "one row is read here, and no aggregate of others"
}

// Leave implements expr.Scope.
func (s *tableScope) Leave() {}

// Change implements expr.Scope.
func (s *tableScope) Change() string { return noChange }

// index compiles what rows are found by. Problems are noted; the index is nil
// then.
func (c *checker) index(s *tableScope, formulas []*formula) *Index {
	key := sha256.New()
	put(key, language, s.source.Name, s.source.Zone.String())
	if s.plan.table != nil {
		put(key, s.plan.table.ID().String())
	}
	var raw []*expr.Expr
	for _, f := range formulas {
		e, errs := expr.Compile(f.node, s)
		if len(errs) == 0 {
			s.plan.kinds = append(s.plan.kinds, e.Type)
		}
		if len(errs) == 0 && e.Type != expr.Text && !e.Absent {
			raw = append(raw, e)
			e, errs = expr.Compile(expr.AsText(f.node), s)
		}
		for _, err := range errs {
			c.badExpr(f.scalar, err)
		}
		if len(errs) > 0 {
			return nil
		}
		if strings.Contains(f.String(), "guest(") {
			put(key, siteMark(c.env.SiteKey))
		}
		s.plan.parts = append(s.plan.parts, e)
		put(key, s.canonical(f))
	}
	if s.plan.table == nil {
		return nil
	}
	put(key, fmt.Sprint(s.plan.guard >= 0), s.plan.guardKey)
	if s.plan.guard >= 0 {
		put(key, s.plan.columns[s.plan.guard])
	}
	ix := &Index{ID: hex.EncodeToString(key.Sum(nil)[:8]), Source: s.source.Name, Table: s.plan.table.ID(), plan: s.plan}
	if t := s.plan.table; len(formulas) == 1 && len(raw) == 1 && raw[0].Column >= 0 && s.plan.guard < 0 && len(t.Key) == 1 {
		col := &t.Columns[t.Key[0]]
		ix.Primary = col.Name == s.plan.columns[raw[0].Column] && col.Type.Kind == cdc.KindInt
	}
	return ix
}

// canonical is a formula without the names of aliases: two paths to one column
// are one index.
func (s *tableScope) canonical(f *formula) string {
	return f.node.Rename(func(path string) string { name, _ := s.path(path); return name })
}

// siteMark stands for the site's key in fingerprints.
func siteMark(key []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("fingerprint"))
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// bindColumns finds columns in a schema. One that is not there, or has another
// type than the map was compiled for, is unknown: -1.
func bindColumns(s *schemas.RowSchema, columns []string, types []expr.Type) []int {
	b := make([]int, len(columns))
	for n, name := range columns {
		if b[n] = s.Column(name); b[n] >= 0 && types != nil && expr.TypeOf(&s.Table.Columns[b[n]].Type) != types[n] {
			b[n] = -1
		}
	}
	return b
}

// Keyer gives the texts of an index. It is for one goroutine at a time.
type Keyer struct {
	p        *indexPlan
	bindings map[*schemas.RowSchema][]int
	fields   schemas.Fields
	frame    expr.Frame
}

// Keyer makes a keyer of the index. It keeps what it learns of a schema by its
// pointer: keep one per schema id.
func (ix *Index) Keyer() *Keyer {
	return &Keyer{p: ix.plan, bindings: map[*schemas.RowSchema][]int{}}
}

// Text appends the text under which a row is found. ok is false where nobody
// finds it: a part is null, unknown or empty.
func (k *Keyer) Text(dst []byte, s *schemas.RowSchema, row cdc.Row) (text []byte, ok bool, err error) {
	if row == nil {
		return dst, false, nil
	}
	if err := k.fields.Read(s, row); err != nil {
		return dst, false, fmt.Errorf("reading a row of %s: %w", k.p.table.ID(), err)
	}
	text, state := k.of(dst, s, &k.fields)
	return text, state == expr.Known, nil
}

// of is Text of a row whose columns were found. An empty text is null: what
// says nothing joins nothing.
func (k *Keyer) of(dst []byte, s *schemas.RowSchema, fields *schemas.Fields) ([]byte, expr.State) {
	b, ok := k.bindings[s]
	if !ok {
		b = bindColumns(s, k.p.columns, k.p.types)
		k.bindings[s] = b
	}
	k.frame.Fields, k.frame.Columns, k.frame.Arena = fields, b, k.frame.Arena[:0]
	if g := k.p.guard; g >= 0 {
		if b[g] < 0 {
			return dst, expr.Unknown
		}
		if v := fields.Value(b[g]); v.Null() || string(v.Bytes()) != k.p.guardKey {
			return dst, expr.IsNull
		}
	}
	start := len(dst)
	for i, e := range k.p.parts {
		v, state := e.Text(&k.frame)
		if state == expr.Known && len(v) == 0 {
			state = expr.IsNull
		}
		if state != expr.Known {
			return dst[:start], state
		}
		if i > 0 {
			dst = append(dst, 0)
		}
		dst = appendPart(dst, v, len(k.p.parts) > 1)
	}
	return dst, expr.Known
}

// appendPart appends one of several parts so that no two lists of parts give
// one text.
func appendPart(dst, v []byte, several bool) []byte {
	if !several || bytes.IndexByte(v, 0) < 0 && bytes.IndexByte(v, 1) < 0 {
		return append(dst, v...)
	}
	for _, c := range v {
		if c <= 1 {
			dst = append(dst, 1, c+2)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// Indexes returns the indexes that the joined maps need, each once. Those that
// are Primary need none and are left out.
func (p *Program) Indexes() []*Index {
	var out []*Index
	add := func(ix *Index) {
		if ix != nil && !ix.Primary && !slices.ContainsFunc(out, func(o *Index) bool { return o.ID == ix.ID }) {
			out = append(out, ix)
		}
	}
	for _, m := range p.Maps {
		for i := range m.Nodes {
			add(m.Nodes[i].Find)
			add(m.Nodes[i].Up)
		}
	}
	return out
}

// whilePlan is the condition of a While: is, of the row that meets where.
type whilePlan struct {
	indexPlan
	where, is *expr.Expr
}

// Switch reads what the rows of a While's table say. It is for one goroutine at
// a time.
type Switch struct {
	w *While
	k *Keyer
}

// Switch makes a switch of the condition.
func (w *While) Switch() *Switch {
	return &Switch{w, &Keyer{p: &w.plan.indexPlan, bindings: map[*schemas.RowSchema][]int{}}}
}

// Row says whether the row is the one that decides, and whether the condition
// holds by it. Without such a row the condition does not hold. The map works if
// holds is not w.Unless.
func (s *Switch) Row(schema *schemas.RowSchema, row cdc.Row) (decides, holds bool, err error) {
	if row == nil {
		return false, false, nil
	}
	if err := s.k.fields.Read(schema, row); err != nil {
		return false, false, fmt.Errorf("reading a row of %s: %w", s.w.Table, err)
	}
	f := &s.k.frame
	b, ok := s.k.bindings[schema]
	if !ok {
		b = bindColumns(schema, s.k.p.columns, s.k.p.types)
		s.k.bindings[schema] = b
	}
	f.Fields, f.Columns, f.Arena = &s.k.fields, b, f.Arena[:0]
	if v, state := s.w.plan.where.Bool(f); state != expr.Known || !v {
		return false, false, nil
	}
	v, state := s.w.plan.is.Bool(f)
	return true, state == expr.Known && v, nil
}

// whileMark is the same for two conditions of the same content.
func whileMark(source string, t cdc.TableID, f *whileFile) string {
	h := sha256.New()
	put(h, language, source, t.String(), f.where.String(), f.is.String())
	return hex.EncodeToString(h.Sum(nil)[:8])
}
