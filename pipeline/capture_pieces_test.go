package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"chartwire/integration/faults"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/schemas"
)

// TestCapturePieces ends a capture at each boundary of a transaction in pieces,
// as a kill does: half of the times when the checkpoint there is committed,
// half as soon as the piece was read. Another goes on inside it, and every row
// is there once, with the transaction's own id; what the cuts say of its begin
// and end is right.
func TestCapturePieces(t *testing.T) {
	faults.Shows(t, "transaction-huge-killed", "went on behind the last committed piece: every row once, with the transaction's own id, its begin and its end told")
	const moves, piece = 350, 100 // each move is two changes
	for given := piece; given < 2*moves; given += piece {
		for _, committed := range []bool{true, false} {
			t.Run(fmt.Sprintf("after %d, committed %v", given, committed), func(t *testing.T) {
				t.Parallel()
				testCaptureBoundary(t, moves, piece, given, committed)
			})
		}
	}
}

func testCaptureBoundary(t *testing.T, moves, piece, given int, committed bool) {
	s := &stand{T: t, conn: brokertest.Start(t), topics: schemas.Topics{Prefix: "t"}}
	source := func() *bank {
		b := newBank()
		b.txns, b.large, b.piece = 110, moves, piece
		return b
	}
	reached := make(chan struct{})
	s.bank = source()
	s.bank.piecemeal = func(n int) bool {
		if n != given {
			return true
		}
		close(reached)
		<-t.Context().Done()
		return false
	}
	road, conn := brokertest.NewRoad(s.conn)
	c := s.run(conn)
	<-reached
	for start := time.Now(); committed && c.Status().Cut.Checkpoint.Rows != int64(given); time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("at %+v", c.Status().Cut.Checkpoint)
		}
	}
	road.Block()
	t.Cleanup(road.Unblock)
	s.bank = source()
	s.until(s.run(s.conn), s.bank.txns)
	s.verify(s.bank.txns)
}
