package image

import "strings"

// TableMeta is what the stream's table-map event says of a table.
type TableMeta struct {
	Source   string // the source's name in the configuration
	Database string
	Name     string
	MariaDB  bool
	Columns  []ColumnMeta // all of the table, in its order
	Key      []int        // indexes in Columns of the primary key, in key order
	// Dates says of columns with dates what becomes of those that cannot be
	// said; what is not in it becomes null.
	Dates map[string]DatePolicy
	// Most is how many bytes a row may have in which COMPRESSED columns are
	// inflated; 0 means any. See [Large].
	Most int
}

// ownColumns counts the columns that are the table's own. MariaDB keeps the hash
// of a unique key too long for an index in a column behind them, which its log
// has and nothing else shows.
func (m *TableMeta) ownColumns() int {
	n := len(m.Columns)
	for m.MariaDB && n > 0 && m.Columns[n-1].Type == typeLongLong && strings.HasPrefix(m.Columns[n-1].Name, "DB_ROW_HASH_") {
		n--
	}
	return n
}

// DatePolicy is what becomes of a zero, partial or impossible date, and of one
// before the year 1000.
type DatePolicy string

// The policies. Null is the default, and what the others do besides.
const (
	DateNull   DatePolicy = "null"
	DateRaw    DatePolicy = "raw"    // its text stands in a column of its own, with RawSuffix
	DateReject DatePolicy = "reject" // a halt
)

// RawSuffix is what the name of a column of DateRaw has behind that of its dates.
const RawSuffix = "_raw"

// ColumnMeta is what the table-map event says of a column.
type ColumnMeta struct {
	Name     string
	Type     byte   // the protocol's type code, as it stands in the event
	Meta     uint16 // its metadata word, as go-mysql puts it together
	Unsigned bool
	// Collation is the id of the collation of a character column, an ENUM or
	// a SET; 0 where there is none.
	Collation uint64
	// Labels are those of an ENUM or SET, in the bytes of their charset.
	Labels []string
	// Declared is the column's type as the server's information_schema says,
	// in lower case, such as "uuid" or "double(10,2)"; "json" for a column of
	// MariaDB whose CHECK is json_valid of itself. Empty where it was not read;
	// then UUID and INET6 of MariaDB look like BINARY(16), JSON like LONGTEXT.
	Declared string
}

// Dated says whether the column's values have a date, which may be one that
// cannot be said.
func (m *ColumnMeta) Dated() bool {
	switch m.Type {
	case typeDate, typeNewDate, typeDateTime, typeDateTime2, typeTimestamp, typeTimestamp2:
		return true
	}
	return false
}
