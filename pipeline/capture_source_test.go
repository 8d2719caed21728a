package pipeline_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
)

// bank is a source whose transactions move an amount between two accounts, in
// one table or two: the sum of all is the same at every cut. Its nth
// transaction is the same however often and from wherever it is read.
type bank struct {
	accounts int          // of each table
	txns     int          // then heartbeats
	large    int          // each hundredth transaction has that many moves, in pieces
	piece    int          // changes in a piece
	every    atomic.Int64 // nanoseconds between transactions
	// pieceEvery is the time between the pieces of one.
	pieceEvery time.Duration
	// piecemeal is told how many changes of a transaction in pieces were given,
	// and says whether to go on.
	piecemeal func(given int) bool
	beat      time.Duration // between heartbeats, at the end
	fat       map[int]int   // the bytes that the rows of the nth transaction have more
	tables    [2]*cdc.Table
	moved     int           // from this transaction on it is another server's
	fail      map[int]error // before the nth transaction
}

func newBank() *bank {
	b := &bank{accounts: 50, txns: 2000, piece: 100, beat: 10 * time.Millisecond}
	for i, name := range []string{"giro", "savings"} {
		b.tables[i] = &cdc.Table{Source: "bank", Database: "main", Name: name, Key: []int{0}, Columns: []cdc.Column{
			{Name: "id", Type: cdc.Type{Kind: cdc.KindInt, Bits: 32}},
			{Name: "amount", Type: cdc.Type{Kind: cdc.KindInt, Bits: 64}},
			{Name: "note", Type: cdc.Type{Kind: cdc.KindText, Charset: "utf8mb4"}},
		}}
	}
	return b
}

func (b *bank) ids() []cdc.TableID { return []cdc.TableID{b.tables[0].ID(), b.tables[1].ID()} }

// fat is what makes a row's note large, and is no part of it.
const fat = "."

func bankRow(id, amount int64, note string) cdc.Row {
	row := schemas.AppendLong([]byte{2}, id)
	row = schemas.AppendLong(append(row, 2), amount)
	return schemas.AppendBytes(append(row, 2), note)
}

// changes gives transaction n. Each move deletes and creates, updates, or
// both, so that all operations occur; a row's image before is not modelled.
func (b *bank) changes(n int) []cdc.Change {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	moves := 1 + r.IntN(3)
	if b.large > 0 && n%100 == 99 {
		moves = b.large
	}
	var out []cdc.Change
	for range moves {
		for _, delta := range []int64{1, -1} {
			t := b.tables[r.IntN(2)]
			id := int64(r.IntN(b.accounts))
			c := cdc.Change{Table: t, Op: cdc.Update, Key: fmt.Sprint(id), Index: int64(len(out)), ReadTime: time.Now()}
			c.After = bankRow(id, delta, fmt.Sprintf("txn %d", n)+strings.Repeat(fat, b.fat[n]))
			c.Before = bankRow(id, 0, "")
			switch r.IntN(10) {
			case 0:
				c.Op, c.Before = cdc.Create, nil
			case 1: // a delete, with the amount in the image before
				c.Op, c.Before, c.After = cdc.Delete, c.After, nil
			}
			out = append(out, c)
		}
	}
	return out
}

func (b *bank) position(n int) cdc.Position {
	p := cdc.Position{File: "bank.000001", Offset: uint64(n), Server: "bank-1", Last: cdc.Fingerprint{GTID: fmt.Sprint(n)}}
	if b.moved > 0 && n >= b.moved {
		p.Server = "bank-2"
	}
	return p
}

// Stream reads from r on.
func (b *bank) Stream(ctx context.Context, r cdc.Resume) iter.Seq2[*cdc.Txn, error] {
	return func(yield func(*cdc.Txn, error) bool) {
		skip := int(r.Checkpoint.Rows)
		for n := int(r.Checkpoint.Position.Offset); n < b.txns && ctx.Err() == nil; n++ {
			if err := b.fail[n]; err != nil {
				yield(nil, err)
				return
			}
			if !b.transaction(n, skip, yield) {
				return
			}
			skip = 0
			if every := b.every.Load(); every > 0 {
				time.Sleep(time.Duration(every))
			}
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(b.beat):
			}
			beat := &cdc.Txn{Begin: true, End: true, CommitTime: time.Now(), Checkpoint: cdc.Checkpoint{Position: b.position(b.txns)}}
			if !yield(beat, nil) {
				return
			}
		}
	}
}

func (b *bank) transaction(n, skip int, yield func(*cdc.Txn, error) bool) bool {
	all := b.changes(n)
	for at := skip; at < len(all); at += b.piece {
		end := min(at+b.piece, len(all))
		t := &cdc.Txn{Begin: at == 0, End: end == len(all), Changes: all[at:end], CommitTime: time.Now(),
			Checkpoint: cdc.Checkpoint{Position: b.position(n), Rows: int64(end)}}
		if t.End {
			t.Checkpoint = cdc.Checkpoint{Position: b.position(n + 1)}
		}
		if !t.Begin || !t.End {
			t.ID = fmt.Sprint(n + 1)
		}
		if !yield(t, nil) {
			return false
		}
		if !t.End {
			time.Sleep(b.pieceEvery)
			if b.piecemeal != nil && !b.piecemeal(end) {
				return false
			}
		}
	}
	return true
}
