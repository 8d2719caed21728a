package pipeline_test

import (
	"math/rand/v2"
	"testing"

	"chartwire/pipeline"
)

func TestLedgerMarksTheEndOfWhatIsDone(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var l pipeline.Ledger[int]
		var open []int64
		done := map[int64]bool{}
		next := int64(0)
		for range 300 {
			if r.IntN(2) == 0 || len(open) == 0 {
				ticket := l.Open(int(next) + 1)
				if ticket != next {
					t.Fatalf("seed %d: ticket %d, want %d", seed, ticket, next)
				}
				open = append(open, next)
				next++
				continue
			}
			i := r.IntN(len(open))
			l.Close(open[i])
			l.Close(open[i])
			done[open[i]] = true
			open = append(open[:i], open[i+1:]...)
			want := 0
			for done[int64(want)] {
				want++
			}
			got, moved := l.Mark()
			if got != want || moved != (want > 0) {
				t.Fatalf("seed %d: mark %d %v, want %d", seed, got, moved, want)
			}
			if l.Len() != int(next)-want {
				t.Fatalf("seed %d: length %d, want %d", seed, l.Len(), int(next)-want)
			}
		}
	}
}
