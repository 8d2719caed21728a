package mysql

import (
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// An ALTER may give rows other values without an event, behind which the table
// looks as before.
func TestValuesThatAlterChanges(t *testing.T) {
	faults.Shows(t, "ddl-default", "reads the table again where an ALTER defines a captured column, though it looks as before")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; insert into people values (1,'Ann','x')", "people")
		r.cfg.Selections[0].Columns = []string{"id", "name", "note"}
		p := r.tap(cdc.Resume{})
		want(t, p.loaded(), "r people 1: id=1 name=Ann note=x")
		f := func(alter, line string) {
			t.Helper()
			r.exec(alter)
			p.next()
			if p.loads[r.id("people")].Phase != cdc.LoadWaiting {
				t.Errorf("behind %s the load is %+v", alter, p.loads[r.id("people")])
			}
			want(t, p.loaded(), line)
		}
		f("alter table people drop note, add note text", "r people 1: id=1 name=Ann note=NULL")
		f("set sql_mode=''; alter table people modify column name varchar(2)", "r people 1: id=1 name=An note=NULL")
		f("alter table people change note other text, add column (note text)", "r people 1: id=1 name=An note=NULL")
		r.exec("alter table people add column more int default 5, modify other varchar(9), add index (name)")
		r.exec("insert into people (id) values (2)")
		want(t, show(t, p.next()), "c people 2: id=2 name=NULL note=NULL")
	})
}
