package schemas

import (
	"fmt"

	"chartwire/cdc"
)

// form is how a value lies in a row, which is all that skipping it needs.
type form uint8

const (
	formNone   form = iota // the type has no Avro form yet
	formVarint             // int, long: zigzag
	formFloat              // 4 bytes, little-endian
	formDouble             // 8 bytes, little-endian
	formBytes              // a length and that many bytes: string, bytes, decimal
)

// avroType is the Avro type of a column inside the union with null.
type avroType struct {
	Type        string `json:"type"`
	LogicalType string `json:"logicalType,omitempty"`
	Precision   int    `json:"precision,omitempty"`
	Scale       *int   `json:"scale,omitempty"`
}

// digitsOfUint64 is the precision of 18446744073709551615.
const digitsOfUint64 = 20

// avroOf is the table of TYPES.md: the Avro type and form of a column type.
func avroOf(t *cdc.Type) (avroType, form) {
	switch t.Kind {
	case cdc.KindInt:
		switch {
		case t.Bits == 64 && t.Unsigned:
			return decimalType(digitsOfUint64, 0), formBytes
		case t.Bits == 64 || t.Bits == 32 && t.Unsigned:
			return avroType{Type: "long"}, formVarint
		}
		return avroType{Type: "int"}, formVarint
	case cdc.KindBit:
		if t.Bits == 64 {
			return decimalType(digitsOfUint64, 0), formBytes
		}
		return avroType{Type: "long"}, formVarint
	case cdc.KindYear:
		return avroType{Type: "int"}, formVarint
	case cdc.KindDecimal:
		return decimalType(t.Precision, t.Scale), formBytes
	case cdc.KindFloat:
		return avroType{Type: "float"}, formFloat
	case cdc.KindDouble:
		return avroType{Type: "double"}, formDouble
	case cdc.KindText, cdc.KindEnum, cdc.KindSet, cdc.KindJSON, cdc.KindUUID, cdc.KindInet4, cdc.KindInet6:
		return avroType{Type: "string"}, formBytes
	case cdc.KindBytes, cdc.KindGeometry, cdc.KindVector:
		return avroType{Type: "bytes"}, formBytes
	case cdc.KindDate:
		return avroType{Type: "int", LogicalType: "date"}, formVarint
	case cdc.KindTime:
		return avroType{Type: "long"}, formVarint
	case cdc.KindDateTime:
		return avroType{Type: "long", LogicalType: "local-timestamp-micros"}, formVarint
	case cdc.KindTimestamp:
		return avroType{Type: "long", LogicalType: "timestamp-micros"}, formVarint
	}
	return avroType{}, formNone
}

func decimalType(precision, scale int) avroType {
	return avroType{Type: "bytes", LogicalType: "decimal", Precision: precision, Scale: &scale}
}

// formOf is avroOf without the schema: cheap enough to be asked per row.
func formOf(t *cdc.Type) form {
	switch t.Kind {
	case cdc.KindInt:
		if t.Bits == 64 && t.Unsigned {
			return formBytes
		}
		return formVarint
	case cdc.KindBit:
		if t.Bits == 64 {
			return formBytes
		}
		return formVarint
	case cdc.KindYear, cdc.KindDate, cdc.KindTime, cdc.KindDateTime, cdc.KindTimestamp:
		return formVarint
	case cdc.KindFloat:
		return formFloat
	case cdc.KindDouble:
		return formDouble
	case cdc.KindUnknown:
		return formNone
	}
	return formBytes
}

// isUint64 says that a column's integers are written as decimals because Avro
// has no unsigned long.
func isUint64(t *cdc.Type) bool {
	return t.Bits == 64 && (t.Kind == cdc.KindBit || t.Kind == cdc.KindInt && t.Unsigned)
}

func checkType(c *cdc.Column) error {
	t := &c.Type
	bad := false
	switch t.Kind {
	case cdc.KindInt:
		bad = t.Bits != 8 && t.Bits != 16 && t.Bits != 24 && t.Bits != 32 && t.Bits != 64
	case cdc.KindBit:
		bad = t.Bits < 1 || t.Bits > 64
	case cdc.KindDecimal:
		bad = t.Precision < 1 || t.Precision > 65 || t.Scale < 0 || t.Scale > t.Precision
	}
	if bad || formOf(t) == formNone {
		return fmt.Errorf("column %q: type %s (bits %d, precision %d, scale %d) has no Avro form", c.Name, t.Kind, t.Bits, t.Precision, t.Scale)
	}
	return nil
}
