package image

// TableMeta is what the stream's table-map event says of a table.
type TableMeta struct {
	Source   string // the source's name in the configuration
	Database string
	Name     string
	MariaDB  bool
	Columns  []ColumnMeta // all of the table, in its order
	Key      []int        // indexes in Columns of the primary key, in key order
}

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
