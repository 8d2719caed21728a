package cdc

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"strings"
)

// Kind is the family of a column's type, the same for MySQL and MariaDB and
// the same whether the value came from the binlog or from a query.
type Kind uint8

// The kinds of columns. schemas/TYPES.md says for each its Avro form and its
// type in field maps.
const (
	KindUnknown   Kind = iota
	KindInt            // TINYINT to BIGINT; Bits and Unsigned say which
	KindDecimal        // Precision, Scale
	KindFloat          // FLOAT
	KindDouble         // DOUBLE
	KindText           // CHAR, VARCHAR, TEXT…; Charset
	KindBytes          // BINARY, VARBINARY, BLOB…; Length > 0: padded to it
	KindDate           // DATE
	KindTime           // TIME, may be negative and beyond a day; Scale = fractional digits
	KindDateTime       // DATETIME, no zone; Scale = fractional digits
	KindTimestamp      // TIMESTAMP, an instant; Scale = fractional digits
	KindYear           // YEAR
	KindEnum           // Labels, Charset
	KindSet            // Labels, Charset
	KindBit            // Bits = 1…64
	KindJSON           // as the server prints it
	KindUUID           // MariaDB
	KindInet4          // MariaDB
	KindInet6          // MariaDB
	KindGeometry       // both
	KindVector         // both
)

var kindNames = [...]string{
	"unknown", "int", "decimal", "float", "double", "text", "bytes", "date", "time", "datetime",
	"timestamp", "year", "enum", "set", "bit", "json", "uuid", "inet4", "inet6", "geometry", "vector",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[0]
}

// ParseKind is the inverse of Kind.String. An unknown name gives KindUnknown.
func ParseKind(s string) Kind {
	for i, n := range kindNames {
		if n == s {
			return Kind(i)
		}
	}
	return KindUnknown
}

// Type is the full type of a column: everything its encoding depends on.
type Type struct {
	Kind      Kind
	Unsigned  bool
	Bits      int // KindInt: 8, 16, 24, 32, 64; KindBit: 1…64
	Length    int // KindBytes: the fixed length of BINARY(n), else 0
	Precision int // KindDecimal
	Scale     int // KindDecimal: digits after the point; times: fractional digits
	Charset   string
	Labels    []string // KindEnum, KindSet, in UTF-8, in the order of their numbers
}

// String is the type as people are told of it.
func (t *Type) String() string {
	s := t.Kind.String()
	switch t.Kind {
	case KindInt, KindBit:
		s += fmt.Sprintf(" of %d bits", t.Bits)
	case KindDecimal:
		s += fmt.Sprintf("(%d,%d)", t.Precision, t.Scale)
	case KindEnum, KindSet:
		s += "(" + strings.Join(t.Labels, ", ") + ")"
	}
	if t.Unsigned {
		s += " unsigned"
	}
	return s
}

// Sum stands for the type in [Load.Sums].
func (t *Type) Sum() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%s %t %d %d %d %d %s %q", t.Kind, t.Unsigned, t.Bits, t.Length, t.Precision, t.Scale, t.Charset, KnownLabels(t.Labels)))
}

// KnownLabels are labels as every description has them: a server's
// information_schema, which is utf8mb3, has "?" for what is beyond U+FFFF.
func KnownLabels(labels []string) []string {
	known := make([]string, len(labels))
	for i, l := range labels {
		known[i] = strings.Map(func(c rune) rune {
			if c > 0xffff {
				return '?'
			}
			return c
		}, l)
	}
	return known
}

// Column is one captured column of a table.
type Column struct {
	Name string
	Type Type
	// Field is the name of its field where that is not its own: rows from before
	// a change of its type, which readers would take for others, have that.
	Field string
}

// Table is one version of a table as its source describes it, cut down to the
// captured columns. It does not change: an ALTER makes another Table. Two
// changes are of the same version exactly when their *Table pointers are equal.
type Table struct {
	Source   string // the source's name in the configuration
	Database string
	Name     string
	Columns  []Column
	Key      []int // indexes in Columns of the primary key, in key order
}

// ID is the table's name within its source, "database.table", for people and
// as key of maps. Names with dots are not escaped: the pair is what identifies.
func (t *Table) ID() TableID { return TableID{t.Database, t.Name} }

// TableID names a table within a source.
type TableID struct{ Database, Name string }

func (id TableID) String() string { return id.Database + "." + id.Name }

// Compare orders tables by database and name.
func (id TableID) Compare(other TableID) int {
	return cmp.Or(strings.Compare(id.Database, other.Database), strings.Compare(id.Name, other.Name))
}

// MarshalText makes a TableID usable as a key in JSON. The database is what
// stands before the first dot; a dot or percent sign in it is percent-encoded.
func (id TableID) MarshalText() ([]byte, error) {
	r := strings.NewReplacer("%", "%25", ".", "%2E")
	return []byte(r.Replace(id.Database) + "." + id.Name), nil
}

// UnmarshalText is the inverse of MarshalText.
func (id *TableID) UnmarshalText(b []byte) error {
	db, name, _ := strings.Cut(string(b), ".")
	r := strings.NewReplacer("%2E", ".", "%25", "%")
	id.Database, id.Name = r.Replace(db), name
	return nil
}

// KeyNames are the names of the columns of the primary key, in key order.
func (t *Table) KeyNames() (names []string) {
	for _, k := range t.Key {
		names = append(names, t.Columns[k].Name)
	}
	return names
}

// Column returns the index of the named column, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Selection names a table to capture and the columns that field maps read.
// The columns of the primary key are captured whether named or not.
type Selection struct {
	Table   TableID
	Columns []string
}
