package mysql

import (
	"fmt"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// What a transaction took back is in the log where tables of another kind took
// part in it. A chunk that is read meanwhile still has those rows: nothing else
// will bring them.
func TestUndoneWhileReading(t *testing.T) {
	faults.Shows(t, "savepoint", "rows that were rolled back while their chunk was read are read")
	for _, k := range []kind{maria, mysqlFile} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			const rows = 3000
			var values []string
			for i := range rows {
				values = append(values, fmt.Sprintf("(%d,'n',null)", i))
			}
			r := newRig(t, k, people+"InnoDB; create table isam (id int auto_increment primary key) engine=MyISAM; insert into people values "+strings.Join(values, ","), "people")
			r.cfg.Snapshot.ChunkRows = 100
			p := r.tap(cdc.Resume{})
			read := map[string]bool{}
			for p.loads[r.id("people")].Phase != cdc.LoadDone {
				r.exec("start transaction; insert into people values (-1,'w',null); delete from people where id=-1; savepoint s; update people set note='undone'; insert into isam values (); rollback to s; commit")
				for more := true; more; {
					select {
					case txn := <-p.txns:
						p.note(txn)
						for _, c := range txn.Changes {
							read[c.Key] = read[c.Key] || c.Op == cdc.Read
							if strings.Contains(show(t, &cdc.Txn{Changes: []cdc.Change{c}})[0], "undone") {
								t.Fatal("what was undone came")
							}
						}
					default:
						more = false
					}
				}
			}
			n := 0
			for _, ok := range read {
				if ok {
					n++
				}
			}
			if n != rows {
				t.Errorf("%d rows of %d were read", n, rows)
			}
		})
	}
}
