package mapping

import (
	"errors"

	"chartwire/cdc"
	"chartwire/schemas"
)

type indexPlan struct{}

type whilePlan struct{}

// Indexes returns the indexes that the joined maps need, each once; those that
// are Primary need none and are left out.
func (p *Program) Indexes() []*Index { return nil }

// Keyer gives the texts of an index. It is for one goroutine at a time.
type Keyer struct{ ix *Index }

// Keyer makes a keyer of the index.
func (ix *Index) Keyer() *Keyer { return &Keyer{ix} }

// Text appends the text under which a row is found. ok is false where nobody
// finds it: a part is null, unknown or empty.
func (k *Keyer) Text(dst []byte, s *schemas.RowSchema, row cdc.Row) (text []byte, ok bool, err error) {
	return dst, false, errors.New("joined maps are not evaluated yet")
}

// Touches reports whether a change of a row of a node concerns the map: a
// column that is read, a pivot's key that is used, or whether the row belongs.
// A nil row is no row.
func (e *Evaluator) Touches(node int, bs *schemas.RowSchema, before cdc.Row, as *schemas.RowSchema, after cdc.Row) bool {
	return true
}

// EvalEntity evaluates a joined map and its rules for one entity. The output is
// valid until the next call; its mutations stay valid.
func (e *Evaluator) EvalEntity(in *Entity) (*Output, error) {
	return nil, errors.New("joined maps are not evaluated yet")
}

// Switch reads what the rows of a While's table say. It is for one goroutine at
// a time.
type Switch struct{ w *While }

// Switch makes a switch of the condition.
func (w *While) Switch() *Switch { return &Switch{w} }

// Row says whether the row is the one that decides, and whether the condition
// holds by it. Without such a row the condition does not hold. The map works if
// holds is not w.Unless.
func (s *Switch) Row(schema *schemas.RowSchema, row cdc.Row) (decides, holds bool, err error) {
	return false, false, errors.New("conditions of maps are not evaluated yet")
}
