package schemas

import (
	"encoding/binary"
	"iter"
	"log/slog"
	"math"
	"math/big"
	"strings"

	"chartwire/cdc"

	"github.com/cockroachdb/apd/v3"
)

// Value is one column's value in a row: a view into it, valid as long as the
// row is. Which getter fits is known from the column's type; one that does not
// fit gives zero. The zero Value is null.
type Value struct {
	data []byte
	typ  *cdc.Type
}

// Null reports whether the value is null.
func (v Value) Null() bool { return v.data == nil }

// Type is the column's type, nil for the zero Value.
func (v Value) Type() *cdc.Type { return v.typ }

// Int is the value of KindInt, KindYear and KindBit, except where Avro has no
// integer for it (unsigned BIGINT and BIT(64): see Uint); the days since
// 1970-01-01 of KindDate; the microseconds of KindTime, of KindTimestamp since
// 1970-01-01 UTC, and of KindDateTime since 1970-01-01 on whatever clock wrote it.
func (v Value) Int() int64 {
	if v.data == nil || formOf(v.typ) != formVarint {
		return 0
	}
	n, _ := varint(v.data)
	return n
}

// Uint is the value of any KindInt or KindBit that is not negative.
func (v Value) Uint() uint64 {
	if v.data != nil && isUint64(v.typ) {
		var u uint64
		for _, b := range v.data {
			u = u<<8 | uint64(b)
		}
		return u
	}
	return uint64(v.Int())
}

// Float is the value of KindFloat and KindDouble.
func (v Value) Float() float64 {
	switch {
	case v.data == nil:
	case v.typ.Kind == cdc.KindFloat:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.data)))
	case v.typ.Kind == cdc.KindDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.data))
	}
	return 0
}

// Bytes is the content of text and bytes: a view, not a copy. Text is UTF-8.
func (v Value) Bytes() []byte {
	if v.data == nil || formOf(v.typ) != formBytes || v.exact() {
		return nil
	}
	return v.data
}

// Text is a copy of Bytes.
func (v Value) Text() string { return string(v.Bytes()) }

// Labels are those of a KindSet in the order of their numbers, and the one of
// a KindEnum.
func (v Value) Labels() iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(v.data) == 0 || v.typ.Kind != cdc.KindSet && v.typ.Kind != cdc.KindEnum {
			return
		}
		if v.typ.Kind == cdc.KindEnum {
			yield(string(v.data))
			return
		}
		for l := range strings.SplitSeq(string(v.data), ",") {
			if !yield(l) {
				return
			}
		}
	}
}

// exact says that data is the unscaled two's complement of a decimal.
func (v Value) exact() bool { return v.typ.Kind == cdc.KindDecimal || isUint64(v.typ) }

// Unscaled is the value of KindDecimal times ten to the power of its scale, if
// that fits in 64 bits; so are the integers.
func (v Value) Unscaled() (n int64, ok bool) {
	switch {
	case v.data == nil:
		return 0, false
	case !v.exact():
		return v.Int(), formOf(v.typ) == formVarint
	case len(v.data) == 0 || len(v.data) > 8:
		return 0, len(v.data) == 0
	}
	n = int64(int8(v.data[0]))
	for _, b := range v.data[1:] {
		n = n<<8 | int64(b)
	}
	return n, true
}

// Decimal sets d to the exact value of KindDecimal or of an integer, and
// reports whether there is one.
func (v Value) Decimal(d *apd.Decimal) bool {
	if v.data == nil {
		return false
	}
	scale := 0
	if v.typ.Kind == cdc.KindDecimal {
		scale = v.typ.Scale
	}
	if n, ok := v.Unscaled(); ok {
		d.SetFinite(n, int32(-scale))
		return true
	}
	if !v.exact() {
		return false
	}
	n := v.big()
	d.Form, d.Exponent, d.Negative = apd.Finite, int32(-scale), n.Sign() < 0
	d.Coeff.SetMathBigInt(n.Abs(n))
	return true
}

func (v Value) big() *big.Int {
	n := new(big.Int).SetBytes(v.data)
	if len(v.data) > 0 && v.data[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(len(v.data))*8))
	}
	return n
}

// String keeps values out of formatted text; AppendText gives the content.
func (v Value) String() string {
	if v.data == nil {
		return "null"
	}
	return "value"
}

// LogValue keeps values out of logs.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }
