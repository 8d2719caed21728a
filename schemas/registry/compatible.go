package registry

import (
	"fmt"
	"slices"

	"chartwire/cdc"
	"chartwire/schemas"
)

// Problem is a column whose rows would be misread.
type Problem struct{ Column, Text string }

func (p Problem) String() string { return "column " + p.Column + " " + p.Text }

// Incompatible says in which ways rows of the old schema would be misread by
// one who knows the new one: what BACKWARD asks of Avro, and beyond it the
// kind, sign, scale and unit that Avro's own check does not look at. Columns
// may come and go, and so may the primary key: rows under other keys are other
// rows, which an epoch tells apart.
func Incompatible(old, new *schemas.RowSchema) (problems []Problem) {
	o, n := old.Table, new.Table
	byField := map[string]*cdc.Column{}
	for i := range o.Columns {
		byField[schemas.FieldName(&o.Columns[i])] = &o.Columns[i]
	}
	for i := range n.Columns {
		c := &n.Columns[i]
		k := byField[schemas.FieldName(c)]
		if k == nil {
			continue
		}
		if p := incompatibleType(&k.Type, &c.Type); p != "" {
			problems = append(problems, Problem{c.Name, p})
		} else if k.Name != c.Name {
			problems = append(problems, Problem{c.Name, "has the name that the newer values of column " + k.Name + " were given"})
		}
	}
	return problems
}

// FreeField is a name for the values of a column from now on, which no field of
// the schemas had: amount_v2, amount_v3…
func FreeField(all []*schemas.RowSchema, column string) string {
	taken := map[string]bool{}
	for _, s := range all {
		for i := range s.Table.Columns {
			c := &s.Table.Columns[i]
			taken[schemas.FieldName(c)], taken[schemas.AvroName(c.Name)] = true, true
		}
	}
	for n := 2; ; n++ {
		if name := fmt.Sprintf("%s_v%d", column, n); !taken[schemas.AvroName(name)] {
			return name
		}
	}
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
		return fmt.Sprintf("was decimal(%d,%d) and is decimal(%d,%d): it had %d digits after the point and has %d", o.Precision, o.Scale, n.Precision, n.Scale, o.Scale, n.Scale)
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

// sameShape says that two tables have the same columns and key, whatever the
// names of their fields.
func sameShape(a, b *cdc.Table) bool {
	return slices.Equal(a.Key, b.Key) && slices.EqualFunc(a.Columns, b.Columns, func(x, y cdc.Column) bool {
		return x.Name == y.Name && sameType(&x.Type, &y.Type)
	})
}
