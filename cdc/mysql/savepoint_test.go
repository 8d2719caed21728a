package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// A rollback to a savepoint is in MariaDB's log where another engine's rows stay;
// MySQL takes it out. What came after the savepoint and has left in a piece cannot
// be taken back: that halts, however many pieces left before, and at a restart
// inside the transaction too.
func TestSavepointAndPieces(t *testing.T) {
	t.Parallel()
	faults.Shows(t, "savepoint", "halts with savepoint-too-late where a piece with rows of what is rolled back has left, at a restart inside too")
	r := newRig(t, maria, people+"InnoDB; create table isam (id int primary key) engine=MyISAM", "people", "isam")
	r.cfg.Piece = 64 << 10
	note := strings.Repeat("z", 1000)
	run := func(from, kept, undone, behind int) *tap {
		t.Helper()
		insert := func(n int) string {
			var rows []string
			for range n {
				rows, from = append(rows, fmt.Sprintf("(%d,'n','%s')", from, note)), from+1
			}
			return "insert into people values " + strings.Join(rows, ",")
		}
		p := r.tap(cdc.Resume{})
		p.loaded()
		r.exec("start transaction; " + insert(kept) + "; savepoint s; " + insert(undone) + fmt.Sprintf("; insert into isam values (%d); rollback to s; ", from) +
			insert(behind) + "; commit; insert into people values (99,'id=99',null)")
		return p
	}
	taken := func(from, kept, undone, behind int) {
		t.Helper()
		lines := slices.DeleteFunc(until(t, run(from, kept, undone, behind)), func(l string) bool { return !strings.HasPrefix(l, "c people") })
		if len(lines) != kept+behind+1 || !strings.HasPrefix(lines[kept], fmt.Sprintf("c people %d:", from+kept+undone)) {
			t.Errorf("%d rows, behind the kept ones %.20s", len(lines), lines[kept])
		}
		r.exec("delete from people")
	}
	past := func(txn *cdc.Txn) {
		if n := len(txn.Changes); n > 0 && txn.Changes[n-1].Key == "99" {
			t.Fatal("it went on behind the transaction")
		}
	}
	late := func(from, kept, undone, behind int) {
		t.Helper()
		p := run(from, kept, undone, behind)
		var inside []cdc.Resume
		for txn := range p.txns {
			past(txn)
			if p.note(txn); txn.Checkpoint.Rows > 0 {
				inside = append(inside, p.resume())
			}
		}
		if cdc.HaltCode(p.err) != HaltSavepoint || len(inside) == 0 {
			t.Errorf("ended behind %d pieces: %v", len(inside), p.err)
		}
		for _, resume := range inside {
			q := r.tap(resume)
			for txn := range q.txns {
				past(txn)
			}
			if cdc.HaltCode(q.err) != HaltSavepoint {
				t.Errorf("from row %d on it ended: %v", resume.Checkpoint.Rows, q.err)
			}
		}
		r.exec("delete from people")
	}
	taken(1000, 5, 10, 5)
	taken(2000, 150, 10, 5)
	late(3000, 5, 100, 5)
	late(4000, 70, 150, 5)
}
