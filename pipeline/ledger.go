package pipeline

// Ledger turns work that ends in any order into one advancing mark: the newest
// position before which everything is done. Positions need no order of their
// own; the order in which they are opened counts. It is for one goroutine.
type Ledger[P any] struct {
	open  []line[P] // from the oldest that is not done
	first int64     // the ticket of open[0]
	mark  P
	moved bool
}

type line[P any] struct {
	after P
	done  bool
}

// Open notes work whose end lets the mark be after, and returns its ticket.
func (l *Ledger[P]) Open(after P) (ticket int64) {
	l.open = append(l.open, line[P]{after: after})
	return l.first + int64(len(l.open)) - 1
}

// Close notes that the work of a ticket is done. A second time changes nothing.
func (l *Ledger[P]) Close(ticket int64) {
	if ticket < l.first {
		return
	}
	l.open[ticket-l.first].done = true
	n := 0
	for n < len(l.open) && l.open[n].done {
		n++
	}
	if n == 0 {
		return
	}
	l.mark, l.moved = l.open[n-1].after, true
	clear(l.open[:n])
	l.open, l.first = l.open[n:], l.first+int64(n)
}

// Mark is the position that may be saved; false if no work was done yet.
func (l *Ledger[P]) Mark() (P, bool) { return l.mark, l.moved }

// Len is how much work is open, or done behind open work.
func (l *Ledger[P]) Len() int { return len(l.open) }
