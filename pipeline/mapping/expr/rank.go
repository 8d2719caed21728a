package expr

import (
	"cmp"

	"chartwire/pipeline/mapping/decimal"
)

// MaxOrder is how many values rows are ordered by at most.
const MaxOrder = 4

// Rank is a value of a type that has an order. Null comes before everything.
type Rank struct {
	null  bool
	int   int64
	dec   decimal.Decimal
	float float64
}

// Compare compares two ranks of one expression.
func (r Rank) Compare(o Rank) int {
	switch {
	case r.null || o.null:
		if r.null == o.null {
			return 0
		}
		if r.null {
			return -1
		}
		return 1
	case r.int != o.int:
		return cmp.Compare(r.int, o.int)
	case r.float != o.float:
		return cmp.Compare(r.float, o.float)
	}
	return r.dec.Cmp(o.dec)
}

// CompareRanks compares what two rows are ordered by.
func CompareRanks(a, b []Rank) int {
	for i := range a {
		if c := a[i].Compare(b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Ranker evaluates the order of an expression's value; nil if its type has
// none. What is null or unknown ranks as null.
func (e *Expr) Ranker() func(*Frame) (Rank, State) {
	switch e.Type {
	case Int, Date, DateTime, Instant, Time:
		return func(f *Frame) (Rank, State) { v, s := e.int(f); return Rank{null: s != Known, int: v}, s }
	case Decimal:
		return func(f *Frame) (Rank, State) { v, s := e.dec(f); return Rank{null: s != Known, dec: v}, s }
	case Float:
		return func(f *Frame) (Rank, State) { v, s := e.float(f); return Rank{null: s != Known, float: v}, s }
	}
	return nil
}
