package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping"
	"chartwire/pipeline/state"
)

// Tables change while they are mapped. A column that has another type than the
// maps were compiled for, or is gone, is unknown in its rows: nothing is made of
// it. The cuts say when a table is another; the maps are then compiled again, and
// where they fit the flow goes on by them. Where they do not it goes on by those
// it has, with that column unknown, and says so.

// mapShape is what a cut says of a table's columns, as in [cdc.Load].
type mapShape struct {
	columns, key []string
	sums         []uint32
}

// mapShapes is what a Map knows of its tables, through its terms.
type mapShapes struct {
	seen    map[state.Table]mapShape
	doubt   bool      // the maps have to be compiled again
	retry   time.Time // not before
	misfits []string
}

// mapRetry is how long nobody is asked again for tables that could not be had.
const mapRetry = 5 * time.Second

// HaltMapKey is the code of a table whose primary key is another.
const HaltMapKey = "map-key-changed"

// mapRecompiled ends a term: the flow goes on by another program.
type mapRecompiled struct{ program *mapping.Program }

func (*mapRecompiled) Error() string { return "the maps are compiled again" }

// reshape compares the flow's tables with what a source's newest cut says of
// them, before anything of that cut is mapped.
func (t *mapTerm) reshape(ctx context.Context, s *mapSource) error {
	m := t.m
	if m.o.Compile == nil {
		return nil
	}
	for id := range m.tables {
		l, ok := s.cut.Loads[id.TableID]
		if !ok || id.Source != s.name {
			continue
		}
		was, had := m.shapes.seen[id]
		if had && slices.Equal(was.columns, l.Columns) && slices.Equal(was.sums, l.Sums) && slices.Equal(was.key, l.Key) {
			continue
		}
		m.shapes.seen[id] = mapShape{l.Columns, l.Key, l.Sums}
		table := m.o.Program.Table(id.Source, id.TableID)
		if key := table.KeyNames(); l.Key != nil && !slices.Equal(key, l.Key) {
			if was.key != nil && !slices.Equal(was.key, l.Key) {
				return cdc.Haltf(HaltMapKey, "the table %s of source %s has the primary key (%s) and had (%s): its rows are other entities than those that flow %s mapped; "+
					"nothing was mapped since; see that the key of its maps still names one record for each row, then start the flow again",
					id.TableID, id.Source, strings.Join(l.Key, ", "), strings.Join(was.key, ", "), m.o.Flow)
			}
			m.doubt()
		}
		if l.Columns != nil && (len(m.shapes.misfits) > 0 || !fits(table, m.reads(id), &l)) {
			m.doubt()
		}
	}
	if !m.shapes.doubt || time.Now().Before(m.shapes.retry) {
		return nil
	}
	return t.recompile(ctx)
}

func (m *Map) doubt() { m.shapes.doubt, m.shapes.retry = true, time.Time{} }

// reads are the columns of a table that the maps read.
func (m *Map) reads(id state.Table) []string {
	for _, sel := range m.o.Program.Selections(id.Source) {
		if sel.Table == id.TableID {
			return sel.Columns
		}
	}
	return nil
}

// fits says whether a table's columns are what the maps were compiled for.
func fits(table *cdc.Table, columns []string, l *cdc.Load) bool {
	for _, name := range columns {
		k, c := slices.Index(l.Columns, name), table.Column(name)
		if k < 0 || c >= 0 && len(l.Sums) == len(l.Columns) && l.Sums[k] != table.Columns[c].Type.Sum() {
			return false
		}
	}
	return true
}

// recompile compiles the maps against the tables as they are now.
func (t *mapTerm) recompile(ctx context.Context) error {
	m := t.m
	program, tables, err := m.o.Compile(ctx)
	var problems mapping.Problems
	if err != nil && !errors.As(err, &problems) {
		m.log.Warn("tables changed, and cannot be looked at now; columns of another type are left as they are", "err", err, "retry_in", mapRetry)
		m.shapes.retry = time.Now().Add(mapRetry)
		return nil
	}
	m.shapes.doubt, m.shapes.misfits = false, nil
	if err != nil {
		m.shapes.misfits = m.differences(tables)
		for _, what := range m.shapes.misfits {
			m.log.Error("a table changed, and the maps do not fit it: what reads the column is left as it is; mend the maps, or undo the change", "change", what)
		}
		m.log.Error("the maps do not compile against the tables as they are", "err", err)
	}
	m.metrics.misfits.Set(float64(len(m.shapes.misfits)))
	if err != nil || sameProgram(program, m.o.Program) {
		return nil
	}
	m.log.Info("tables changed; the flow goes on by maps that were compiled against them")
	if t.p.Buffered() > 0 || len(t.entries) > 0 {
		if err := t.commit(ctx); err != nil {
			return err
		}
	}
	return &mapRecompiled{program}
}

// sameProgram says whether two programs make the same of every row.
func sameProgram(a, b *mapping.Program) bool {
	return slices.EqualFunc(a.Maps, b.Maps, func(a, b *mapping.Map) bool {
		return mapID(a) == mapID(b) && a.Fingerprint == b.Fingerprint &&
			slices.EqualFunc(a.Rules, b.Rules, func(a, b *mapping.Rule) bool { return a.Name == b.Name && a.Fingerprint == b.Fingerprint })
	})
}

// differences says in which columns that the maps read the tables are others
// than those they were compiled against.
func (m *Map) differences(tables []*cdc.Table) (all []string) {
	for _, source := range m.sources() {
		for _, sel := range m.o.Program.Selections(source) {
			old := m.o.Program.Table(source, sel.Table)
			i := slices.IndexFunc(tables, func(t *cdc.Table) bool { return t.Source == source && t.ID() == sel.Table })
			if i < 0 {
				all = append(all, fmt.Sprintf("table %s of source %s is gone", sel.Table, source))
				continue
			}
			for _, name := range sel.Columns {
				o, n := old.Column(name), tables[i].Column(name)
				switch {
				case o < 0:
				case n < 0:
					all = append(all, fmt.Sprintf("column %s of table %s of source %s was %s and is gone", name, sel.Table, source, &old.Columns[o].Type))
				case old.Columns[o].Type.Sum() != tables[i].Columns[n].Type.Sum():
					all = append(all, fmt.Sprintf("column %s of table %s of source %s was %s and is %s", name, sel.Table, source, &old.Columns[o].Type, &tables[i].Columns[n].Type))
				}
			}
		}
	}
	return all
}
