package registry

import (
	"fmt"
	"slices"

	"chartwire/cdc"
	"chartwire/schemas"
)

// Incompatible says in which ways rows of the old schema would be misread by
// one who knows the new one: what BACKWARD asks of Avro, and beyond it the
// kind, sign, scale and unit that Avro's own check does not look at. Columns
// may come and go.
func Incompatible(old, new *schemas.RowSchema) (problems []string) {
	o, n := old.Table, new.Table
	if !slices.Equal(keyNames(o), keyNames(n)) {
		problems = append(problems, fmt.Sprintf("the primary key was %v and is %v, so that rows would have other keys", keyNames(o), keyNames(n)))
	}
	for i := range n.Columns {
		c := &n.Columns[i]
		k := o.Column(c.Name)
		if k < 0 {
			continue
		}
		if p := incompatibleType(&o.Columns[k].Type, &c.Type); p != "" {
			problems = append(problems, "column "+c.Name+" "+p)
		}
	}
	return problems
}

func keyNames(t *cdc.Table) (names []string) {
	for _, k := range t.Key {
		names = append(names, t.Columns[k].Name)
	}
	return names
}

// isText says that a kind is text to its readers, whatever the source calls it.
func isText(k cdc.Kind) bool {
	switch k {
	case cdc.KindText, cdc.KindEnum, cdc.KindSet, cdc.KindJSON, cdc.KindUUID, cdc.KindInet4, cdc.KindInet6:
		return true
	}
	return false
}

func incompatibleType(o, n *cdc.Type) string {
	switch {
	case isText(o.Kind) && isText(n.Kind), o.Kind == cdc.KindFloat && n.Kind == cdc.KindDouble:
	case o.Kind != n.Kind:
		return fmt.Sprintf("was %s and is %s", o.Kind, n.Kind)
	case o.Unsigned != n.Unsigned:
		return fmt.Sprintf("was %s and is %s", signs[o.Unsigned], signs[n.Unsigned])
	case o.Kind == cdc.KindDecimal && o.Scale != n.Scale:
		return fmt.Sprintf("had %d digits after the point and has %d", o.Scale, n.Scale)
	case (o.Kind == cdc.KindInt || o.Kind == cdc.KindBit) && width(n) != width(o) && (width(n) == exact || width(n) < width(o)):
		return fmt.Sprintf("had %d bits and has %d, which is another type in Avro", o.Bits, n.Bits)
	}
	return ""
}

var signs = map[bool]string{false: "signed", true: "unsigned"}

// The Avro types of integers: each may become the next wider, but for the last.
const (
	narrow = iota // int
	wide          // long
	exact         // decimal
)

func width(t *cdc.Type) int {
	switch {
	case t.Bits == 64 && (t.Unsigned || t.Kind == cdc.KindBit):
		return exact
	case t.Bits == 64, t.Kind == cdc.KindBit, t.Bits == 32 && t.Unsigned:
		return wide
	}
	return narrow
}

// Differences lists the columns in which two schemas differ at all.
func Differences(a, b *schemas.RowSchema) (names []string) {
	for i := range b.Table.Columns {
		c := &b.Table.Columns[i]
		k := a.Table.Column(c.Name)
		if k != i || !sameType(&a.Table.Columns[k].Type, &c.Type) {
			names = append(names, c.Name)
		}
	}
	for i := range a.Table.Columns {
		if b.Table.Column(a.Table.Columns[i].Name) < 0 {
			names = append(names, a.Table.Columns[i].Name)
		}
	}
	return names
}

func sameType(a, b *cdc.Type) bool {
	x, y := *a, *b
	same := slices.Equal(x.Labels, y.Labels)
	x.Labels, y.Labels = nil, nil
	return same && x.Kind == y.Kind && x.Unsigned == y.Unsigned && x.Bits == y.Bits && x.Length == y.Length &&
		x.Precision == y.Precision && x.Scale == y.Scale && x.Charset == y.Charset
}
