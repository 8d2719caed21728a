package mysql

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"chartwire/integration/faults"
)

// An event larger than its part of the memory stops the stream before it is in
// memory, says what it is, and is read when there is more.
func TestOversize(t *testing.T) {
	faults.Shows(t, "skip", "an event that is too large for the memory is passed over like any other")
	faults.Shows(t, "payload-bomb", "halted as event-too-large before it was unpacked, with what it is and the memory it would need; went on when it had that")
	const large = "repeat('x', 9 << 20)"
	noise := make([]byte, 9<<20)
	for i, r := 0, rand.New(rand.NewPCG(1, 1)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	f := func(k kind, name, before, insert, after, says string, body ...string) {
		t.Run(k.name+" "+name, func(t *testing.T) {
			r, p := started(t, k, "create table wide (id int primary key, small varchar(20), body longblob "+strings.Join(body, " ")+")", "wide")
			p.stop()
			r.exec(before + "; insert into wide values (1, 'a', null); " + insert + "; insert into wide values (3, 'id=99', null); " + after)
			r.cfg.Memory = MinMemory
			p = r.tap(p.resume())
			want(t, show(t, p.next())[:1], "c wide 1: id=1 small=a body=NULL")
			w, q := r.passed(p, HaltEventSize)
			if !strings.Contains(p.err.Error(), says) {
				t.Errorf("%q does not say %q", p.err, says)
			}
			if w.Unknown || w.Rows != 1 || len(w.Tables) != 1 || w.Tables[0] != r.id("wide") {
				t.Errorf("the passage is %+v", w)
			}
			want(t, until(t, q), "c wide 3: id=3 small=id=99 body=NULL")
			q.stop()
			r.cfg.Memory = DefaultMemory
			if lines := until(t, r.tap(p.resume())); !strings.HasPrefix(lines[0], "c wide 2:") {
				t.Errorf("then: %.60s", lines[0])
			}
		})
	}
	for _, k := range []kind{maria, mysqlGTID} {
		f(k, "row", "do 0", "insert into wide values (2, 'b', "+large+")", "do 0", "a row of ")
	}
	f(mysqlGTID, "transaction that unpacks to it", "set session binlog_transaction_compression=on", "insert into wide values (2, 'b', "+large+")", "do 0", "a row of ")
	f(mysqlGTID, "compressed transaction", "set session binlog_transaction_compression=on", fmt.Sprintf("insert into wide values (2, 'b', x'%x')", noise), "do 0", "a compressed transaction ")
	f(maria, "column that unpacks to it", "do 0", "insert into wide values (2, 'b', "+large+")", "do 0", "compressed column body", "compressed")
	f(maria, "row that unpacks to it", "set global log_bin_compress=on", "insert into wide values (2, 'b', "+large+")", "set global log_bin_compress=off", "a row of ")
}
