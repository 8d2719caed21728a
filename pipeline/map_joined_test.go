package pipeline_test

import (
	"fmt"
	"testing"

	"chartwire/pipeline/broker/brokertest"
)

// What Map promises of joined maps, on the broker in the process and on a real
// one.
var joinedPromises = []struct {
	name string
	test func(t *testing.T, w *joinedWorld)
}{
	{"a shop, step by step", testJoinedSteps},
	{"any order of the tables", testJoinedOrder},
	{"rows that an epoch took", testJoinedSwept},
	{"settling", testJoinedSettle},
	{"a look-up that fans out", testJoinedFanOut},
	{"tables that load", testJoinedLoad},
	{"rules", testJoinedRule},
	{"days", testJoinedDays},
	{"retries", testJoinedRetry},
	{"a switch between two maps", testJoinedWhile},
	{"lost requests and answers", testJoinedFaults},
	{"a record's key changes", testJoinedKey},
	{"a standby takes over, warm", testJoinedStandby},
	{"equal to the tables, killed at any moment", testJoinedModel},
}

func TestMapJoinedInProcess(t *testing.T) {
	for _, p := range joinedPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			p.test(t, newJoinedWorld(t, brokertest.Start(t), "t", func() int { n++; return n%4 + 1 }))
		})
	}
}

func TestMapJoinedKafka(t *testing.T) {
	conn := sharedKafka(t)
	for i, p := range joinedPromises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, newJoinedWorld(t, conn, fmt.Sprintf("j%d", i), func() int { return 2 }))
		})
	}
}

func order(more ...string) cells {
	c := cells{"kind": "order", "status": "new", "customer": "0", "email": "Ann@x", "total": "5", "term_id": "1"}
	for i := 0; i < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	return c
}

// Children before parents, moves, look-ups, deletions in any order.
func testJoinedSteps(t *testing.T, w *joinedWorld) {
	p := w.compile(shopOrders, shopGuests)
	dir := t.TempDir()
	m := w.run(w.options(dir, p))
	f := func(edits ...rowEdit) {
		t.Helper()
		w.edit(edits...)
		w.settled(m)
		w.verify()
	}
	f(rowEdit{"metas", 1, cells{"item_id": "1", "k": "qty", "v": "3"}})                                                           // children first
	f(rowEdit{"items", 1, cells{"order_id": "1", "name": "Tea"}}, rowEdit{"terms", 1, cells{"name": "first"}})                    //
	f(rowEdit{"orders", 1, order()})                                                                                              //
	f(rowEdit{"metas", 2, cells{"item_id": "1", "k": "product", "v": "7"}})                                                       //
	f(rowEdit{"products", 7, cells{"title": "Green"}})                                                                            // three steps up
	f(rowEdit{"people", 1, cells{"email": "ANN@x"}})                                                                              // another source
	f(rowEdit{"orders", 2, order("email", "bob@x")}, rowEdit{"orders", 3, cells{"kind": "refund", "parent": "1", "total": "-2"}}) //
	f(rowEdit{"items", 1, cells{"order_id": "2", "name": "Tea"}})                                                                 // moves
	f(rowEdit{"orders", 3, cells{"kind": "refund", "parent": "2", "total": "-2"}})                                                //
	f(rowEdit{"terms", 1, cells{"name": "second"}})                                                                               // fans out
	f(rowEdit{"orders", 2, order("email", "ann@X", "status", "paid")})                                                            // joins the other group
	f(rowEdit{"items", 1, nil}, rowEdit{"items", 1, cells{"order_id": "1", "name": "Tea"}})                                       // REPLACE
	f(rowEdit{"orders", 2, order("email", "ann@x", "customer", "9")})                                                             // a guest becomes a customer
	f(rowEdit{"items", 1, nil})
	f(rowEdit{"orders", 1, nil}) // before its refund and the item's metas
	f(rowEdit{"orders", 1, order("email", "cy@x")})
	f(rowEdit{"orders", 1, order("kind", "draft")}) // leaves
	f(rowEdit{"orders", 2, nil}, rowEdit{"orders", 3, nil}, rowEdit{"metas", 1, nil})
	if err := m.stop(); err != nil {
		t.Fatal(err)
	}
	w.verifyState(dir, p)
}
