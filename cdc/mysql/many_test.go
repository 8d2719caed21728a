package mysql

import (
	"fmt"
	"slices"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// TestManyTables captures 50 of the 2,000 tables of a server: they are loaded
// and followed, and what is known and kept of the others is nothing.
func TestManyTables(t *testing.T) {
	faults.Shows(t, "many-tables", "loads and follows the 50; of the others it keeps no state and asks for no description")
	for _, k := range []kind{maria, mysqlGTID} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			const all, every = 2000, 40
			var names []string
			for i := every; i <= all; i += every {
				names = append(names, fmt.Sprintf("t%d", i))
			}
			r := newRig(t, k, "", names...)
			each := func(statement string) {
				for i := 1; i <= all; i += 100 {
					block := ""
					for j := i; j < i+100; j++ {
						block += fmt.Sprintf(statement+"; ", j)
					}
					r.exec(block)
				}
			}
			each("create table t%d (id int primary key, v varchar(20)) engine=MyISAM")
			each("insert into t%d values (1, 'before')")
			p := r.tap(cdc.Resume{})
			lines := p.loaded()
			slices.Sort(lines)
			want(t, lines, expected("r %s 1: id=1 v=before", names)...)
			each("insert into t%d values (2, 'after')")
			lines = nil
			for len(lines) < len(names) {
				lines = append(lines, show(t, p.next())...)
			}
			slices.Sort(lines)
			want(t, lines, expected("c %s 2: id=2 v=after", names)...)
			if len(p.loads) != len(names) {
				t.Errorf("the state of %d tables is kept", len(p.loads))
			}
		})
	}
}

// expected gives a line for each table, sorted.
func expected(line string, tables []string) (lines []string) {
	for _, name := range tables {
		lines = append(lines, fmt.Sprintf(line, name))
	}
	slices.Sort(lines)
	return lines
}
