package image

import (
	"regexp"
	"strings"

	"chartwire/cdc"
)

// The codes of what stops a table or a row.
const (
	HaltType     = "column-type-unsupported"
	HaltCharset  = "column-charset-unsupported"
	HaltNoKey    = "table-without-key"
	HaltMetadata = "table-metadata-minimal"
	HaltPartial  = "row-image-partial"
	HaltCorrupt  = "row-image-corrupt"
	HaltDate     = "date-rejected"
)

// The protocol's type codes.
const (
	typeTiny       = 1
	typeShort      = 2
	typeLong       = 3
	typeFloat      = 4
	typeDouble     = 5
	typeTimestamp  = 7
	typeLongLong   = 8
	typeInt24      = 9
	typeDate       = 10
	typeTime       = 11
	typeDateTime   = 12
	typeYear       = 13
	typeNewDate    = 14
	typeVarchar    = 15
	typeBit        = 16
	typeTimestamp2 = 17
	typeDateTime2  = 18
	typeTime2      = 19
	typeBlobComp   = 140
	typeVarComp    = 141
	typeVector     = 242
	typeInvalid    = 243 // of a table that is described: a type that is not known
	typeJSON       = 245
	typeNewDecimal = 246
	typeEnum       = 247
	typeSet        = 248
	typeBlob       = 252
	typeVarString  = 253
	typeString     = 254
	typeGeometry   = 255
)

const binaryCollation = 63

// code is how a column's bytes become Avro.
type code uint8

const (
	codeInt code = iota
	codeUint64
	codeFloat
	codeDouble
	codeDecimal
	codeDate
	codeTime2
	codeDateTime2
	codeTimestamp2
	codeTimeOld
	codeDateTimeOld
	codeTimestampOld
	codeYear
	codeEnum
	codeSet
	codeBit
	codeText
	codeBytes
	codeJSON
	codeInet4
	codeInet6
	codeUUID
	codePackedText // COMPRESSED of MariaDB
	codePackedBytes
)

// column is a compiled column: where its value ends, and what it becomes.
type column struct {
	code     code
	take     bool
	unsigned bool
	wideBit  bool  // BIT(64), written as a decimal
	century  bool  // YEAR(2) of MariaDB, which is printed without
	prefix   uint8 // bytes of the length in front of the value; 0: size is the length
	size     int
	fsp      int  // fractional digits of a time
	pad      int  // BINARY(n): n
	raw      bool // DateRaw
	reject   bool // DateReject
	decimal  decimalLayout
	charset  *charset
	labels   [][]byte // ENUM: each as an Avro string, the first for 0; SET: as UTF-8
	name     string
}

// compileColumn says how long the column's values are; describe, what they are.
func compileColumn(m *ColumnMeta) (column, byte, error) {
	c := column{name: m.Name, unsigned: m.Unsigned}
	t, length := m.Type, int(m.Meta)
	if t == typeString {
		t, length = realString(m.Meta)
	}
	switch t {
	case typeTiny, typeYear:
		c.size = 1
	case typeShort:
		c.size = 2
	case typeInt24, typeDate, typeNewDate, typeTime:
		c.size = 3
	case typeLong, typeFloat, typeTimestamp:
		c.size = 4
	case typeLongLong, typeDouble, typeDateTime:
		c.size = 8
	case typeTime2, typeDateTime2, typeTimestamp2:
		if m.Meta > 6 {
			return c, t, errMeta
		}
		c.fsp = int(m.Meta)
		c.size = map[byte]int{typeTime2: 3, typeDateTime2: 5, typeTimestamp2: 4}[t] + (c.fsp+1)/2
	case typeNewDecimal:
		var ok bool
		if c.decimal, ok = newDecimalLayout(int(m.Meta>>8), int(m.Meta&0xff)); !ok {
			return c, t, errMeta
		}
		c.size = c.decimal.size
	case typeBit:
		bits := int(m.Meta>>8)*8 + int(m.Meta&0xff)
		if bits < 1 || bits > 64 {
			return c, t, errMeta
		}
		c.size = (bits + 7) / 8
	case typeEnum, typeSet:
		length &= 0xff
		c.size = length
		if length < 1 || length > 8 || t == typeEnum && length > 2 {
			return c, t, errMeta
		}
	case typeVarchar, typeVarString, typeString, typeVarComp:
		c.prefix = 1
		if length > 255 {
			c.prefix = 2
		}
	case typeInvalid:
	case typeBlob, typeJSON, typeGeometry, typeVector, typeBlobComp:
		if m.Meta < 1 || m.Meta > 4 {
			return c, t, errMeta
		}
		c.prefix = uint8(m.Meta)
	default:
		return c, t, errUnsupported
	}
	return c, t, nil
}

// realString undoes how CHAR, ENUM and SET share a type code: the high byte of
// the word is the real type, with the top bits of a long CHAR's length in it.
func realString(meta uint16) (t byte, length int) {
	hi, lo := byte(meta>>8), int(meta&0xff)
	switch {
	case hi == 0:
		return typeString, lo
	case hi&0x30 != 0x30:
		return hi | 0x30, lo | int(hi&0x30^0x30)<<4
	}
	return hi, lo
}

// fraction finds the digits of a declared time with a fraction.
var fraction = regexp.MustCompile(`^(time|datetime|timestamp)\([1-6]\)`)

// describe completes a selected column and gives its type.
func (c *column) describe(m *ColumnMeta, t byte) (cdc.Type, error) {
	switch t {
	case typeTiny, typeShort, typeInt24, typeLong, typeLongLong:
		c.code = codeInt
		if m.Unsigned && t == typeLongLong {
			c.code = codeUint64
		}
		return cdc.Type{Kind: cdc.KindInt, Bits: c.size * 8, Unsigned: m.Unsigned}, nil
	case typeFloat:
		c.code = codeFloat
		return cdc.Type{Kind: cdc.KindFloat}, nil
	case typeDouble:
		c.code = codeDouble
		return cdc.Type{Kind: cdc.KindDouble}, nil
	case typeNewDecimal:
		c.code = codeDecimal
		return cdc.Type{Kind: cdc.KindDecimal, Precision: c.decimal.precision, Scale: c.decimal.scale}, nil
	case typeDate, typeNewDate:
		c.code = codeDate
		return cdc.Type{Kind: cdc.KindDate}, nil
	case typeYear:
		c.code, c.century = codeYear, m.Declared == "year(2)"
		return cdc.Type{Kind: cdc.KindYear}, nil
	case typeBit:
		c.code, c.wideBit = codeBit, int(m.Meta>>8)*8+int(m.Meta&0xff) == 64
		return cdc.Type{Kind: cdc.KindBit, Bits: int(m.Meta>>8)*8 + int(m.Meta&0xff)}, nil
	case typeTime2, typeDateTime2, typeTimestamp2, typeTime, typeDateTime, typeTimestamp:
		return c.describeTime(m, t)
	case typeEnum, typeSet:
		return c.describeLabels(m, t)
	case typeJSON:
		c.code = codeJSON
		return cdc.Type{Kind: cdc.KindJSON}, nil
	case typeGeometry:
		c.code = codeBytes
		return cdc.Type{Kind: cdc.KindGeometry}, nil
	case typeVector:
		c.code = codeBytes
		return cdc.Type{Kind: cdc.KindVector}, nil
	case typeVarComp, typeBlobComp:
		typ, err := c.describeString(m, t)
		if c.code = codePackedText; typ.Kind == cdc.KindBytes {
			c.code = codePackedBytes
		}
		return typ, err
	case typeVarchar, typeVarString, typeString, typeBlob:
		return c.describeString(m, t)
	}
	return cdc.Type{}, errUnsupported
}

func (c *column) describeTime(m *ColumnMeta, t byte) (cdc.Type, error) {
	switch t {
	case typeTime2:
		c.code = codeTime2
		return cdc.Type{Kind: cdc.KindTime, Scale: c.fsp}, nil
	case typeDateTime2:
		c.code = codeDateTime2
		return cdc.Type{Kind: cdc.KindDateTime, Scale: c.fsp}, nil
	case typeTimestamp2:
		c.code = codeTimestamp2
		return cdc.Type{Kind: cdc.KindTimestamp, Scale: c.fsp}, nil
	}
	// The formats before MySQL 5.6. MariaDB's of those with a fraction have a
	// length that the event does not say.
	if fraction.MatchString(m.Declared) {
		return cdc.Type{}, errOldFraction
	}
	switch t {
	case typeTime:
		c.code = codeTimeOld
		return cdc.Type{Kind: cdc.KindTime}, nil
	case typeDateTime:
		c.code = codeDateTimeOld
		return cdc.Type{Kind: cdc.KindDateTime}, nil
	}
	c.code = codeTimestampOld
	return cdc.Type{Kind: cdc.KindTimestamp}, nil
}

func (c *column) describeLabels(m *ColumnMeta, t byte) (cdc.Type, error) {
	if len(m.Labels) == 0 || t == typeSet && len(m.Labels) > 64 {
		return cdc.Type{}, errLabels
	}
	name, err := c.setCharset(m)
	if err != nil {
		return cdc.Type{}, err
	}
	typ := cdc.Type{Kind: cdc.KindEnum, Charset: name}
	c.code = codeEnum
	if t == typeSet {
		typ.Kind, c.code = cdc.KindSet, codeSet
	} else {
		c.labels = append(c.labels, []byte{0}) // the empty text of an invalid value
	}
	for _, l := range m.Labels {
		avro, _ := c.charset.append(nil, []byte(l))
		text := avro[lenOfLong(avro):]
		typ.Labels = append(typ.Labels, string(text))
		if t == typeEnum {
			c.labels = append(c.labels, avro)
		} else {
			c.labels = append(c.labels, text)
		}
	}
	return typ, nil
}

// lenOfLong is how many bytes the number at the start of b has.
func lenOfLong(b []byte) int {
	n := 1
	for b[n-1] >= 0x80 {
		n++
	}
	return n
}

func (c *column) describeString(m *ColumnMeta, t byte) (cdc.Type, error) {
	if m.Collation == binaryCollation {
		c.code = codeBytes
		typ := cdc.Type{Kind: cdc.KindBytes}
		if t == typeString {
			_, c.pad = realString(m.Meta)
			typ.Length = c.pad
		}
		switch m.Declared {
		case "uuid":
			c.code, c.pad, typ = codeUUID, 16, cdc.Type{Kind: cdc.KindUUID}
		case "inet4":
			c.code, c.pad, typ = codeInet4, 4, cdc.Type{Kind: cdc.KindInet4}
		case "inet6":
			c.code, c.pad, typ = codeInet6, 16, cdc.Type{Kind: cdc.KindInet6}
		}
		return typ, nil
	}
	name, err := c.setCharset(m)
	if err != nil {
		return cdc.Type{}, err
	}
	c.code = codeText
	if m.Declared == "json" {
		return cdc.Type{Kind: cdc.KindJSON}, nil
	}
	return cdc.Type{Kind: cdc.KindText, Charset: name}, nil
}

func (c *column) setCharset(m *ColumnMeta) (string, error) {
	name := charsetOf(m.Collation)
	if name == "binary" && len(m.Labels) > 0 {
		name = "utf8mb4" // labels are never binary; what is not UTF-8 shows as such
	}
	if c.charset = newCharset(name); c.charset == nil {
		return "", errCharset
	}
	return name, nil
}

// declaredName is what a Halt calls a column's type.
func declaredName(m *ColumnMeta, t byte) string {
	if m.Declared != "" {
		return m.Declared
	}
	if n, ok := typeNames[t]; ok {
		return n
	}
	return "type code " + itoa(int(t))
}

var typeNames = map[byte]string{
	0:        "decimal of MySQL before 5.0",
	typeTime: "time", typeDateTime: "datetime", typeTimestamp: "timestamp",
}

func quoteName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }
