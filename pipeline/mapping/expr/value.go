package expr

import (
	"math/big"
	"strconv"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/decimal"
	"chartwire/schemas"

	"github.com/cockroachdb/apd/v3"
)

// Type is the type of an expression. Every type is nullable.
type Type uint8

// The types of expressions.
const (
	Invalid  Type = iota
	Null          // the literal: fits every type
	Text          // texts, enum labels, JSON, UUID, addresses
	Int           // up to 64 bits, signed
	Decimal       // exact; unsigned 64-bit integers and results of arithmetic too
	Float         // FLOAT and DOUBLE
	Bool          // of conditions: no column has it
	Date          // a day
	DateTime      // a day and a time on a clock nobody has named: DATETIME
	Instant       // a moment
	Time          // a time of day, or a length of time
	Bytes         //
	Set           // labels of a SET, joined by commas
)

var typeNames = [...]string{"nothing", "null", "text", "integer", "decimal", "float", "condition", "date",
	"datetime without zone", "instant", "time of day", "bytes", "set"}

func (t Type) String() string { return typeNames[t] }

// TypeOf is the type that a column has in expressions.
func TypeOf(t *cdc.Type) Type {
	switch t.Kind {
	case cdc.KindInt, cdc.KindBit:
		if t.Bits == 64 && (t.Unsigned || t.Kind == cdc.KindBit) {
			return Decimal
		}
		return Int
	case cdc.KindYear:
		return Int
	case cdc.KindDecimal:
		return Decimal
	case cdc.KindFloat, cdc.KindDouble:
		return Float
	case cdc.KindText, cdc.KindEnum, cdc.KindJSON, cdc.KindUUID, cdc.KindInet4, cdc.KindInet6:
		return Text
	case cdc.KindBytes, cdc.KindGeometry, cdc.KindVector:
		return Bytes
	case cdc.KindDate:
		return Date
	case cdc.KindTime:
		return Time
	case cdc.KindDateTime:
		return DateTime
	case cdc.KindTimestamp:
		return Instant
	case cdc.KindSet:
		return Set
	}
	return Invalid
}

// State says what is known of a value. Worse is larger.
type State uint8

// The states of a value.
const (
	Known State = iota
	IsNull
	Unknown
)

// Frame is one row under evaluation.
type Frame struct {
	Fields *schemas.Fields
	// Columns has for each of the scope's columns its index in the row's
	// schema, or -1 where the value is unknown.
	Columns []int
	// Arena holds texts made during an evaluation. Whoever evaluates cuts it
	// back to nothing when their results are used.
	Arena []byte
	// Today is the day that it is, in days since 1970; 0: nobody says.
	Today int64
	// RecordKey is the key of the entity's record; expressions do not see it.
	RecordKey []byte
	// Before is the row before the change; New says that there was none. Neither
	// means that it is not known.
	Before *Frame
	New    bool
	// Commit is when the source committed the change; zero: not known.
	Commit time.Time

	// Value, if there is one, gives columns instead of Fields and Columns: an
	// entity of several tables sets all three.
	Value func(column int) (schemas.Value, State)
	// Rows are the rows of what Scope.Enter gave a number to, in the order of
	// their keys, as seen from the rows that were entered.
	Rows func(many int) ([]int32, State)
	// Enter makes a row the one that columns are read from, and returns the one
	// before it; -1 is none.
	Enter func(many int, row int32) int32
}

func (f *Frame) column(n int) (schemas.Value, State) {
	if f.Value != nil {
		return f.Value(n)
	}
	i := f.Columns[n]
	if i < 0 {
		return schemas.Value{}, Unknown
	}
	v := f.Fields.Value(i)
	if v.Null() {
		return v, IsNull
	}
	return v, Known
}

// keep moves what was appended to the arena since start into a value.
func (f *Frame) keep(start int) []byte { return f.Arena[start:len(f.Arena):len(f.Arena)] }

// fn evaluates to a T. With a state other than Known the value means nothing.
type fn[T any] func(*Frame) (T, State)

// Expr is a compiled expression.
type Expr struct {
	Type Type
	// Columns are the scope's numbers of the columns it reads, ascending.
	Columns []int
	// Shown are those of them whose content its value may tell.
	Shown []int
	// Column is the column's number if the expression is nothing but it, else -1.
	Column int
	// Absent says that it reads nothing but what is not there: it is always null.
	Absent bool
	// Texts are the only texts that can come out, if that is known.
	Texts []string

	number *decimal.Decimal // the value of a literal number
	text   fn[[]byte]       // Text, Bytes, Set
	int    fn[int64]        // Int; days of Date; microseconds of DateTime, Instant, Time
	dec    fn[decimal.Decimal]
	float  fn[float64]
	bool   fn[bool]
}

// Text evaluates an expression of type Text, Bytes or Set. The value is a view
// into the row or the arena.
func (e *Expr) Text(f *Frame) ([]byte, State) { return e.text(f) }

// Int evaluates an expression of type Int, Date, DateTime, Instant or Time.
func (e *Expr) Int(f *Frame) (int64, State) { return e.int(f) }

// Decimal evaluates an expression of type Decimal.
func (e *Expr) Decimal(f *Frame) (decimal.Decimal, State) { return e.dec(f) }

// Float evaluates an expression of type Float.
func (e *Expr) Float(f *Frame) (float64, State) { return e.float(f) }

// Bool evaluates a condition.
func (e *Expr) Bool(f *Frame) (bool, State) { return e.bool(f) }

// load reads a column.
func load(n int, t *cdc.Type) *Expr {
	e := &Expr{Type: TypeOf(t), Columns: []int{n}, Shown: []int{n}, Column: n}
	switch e.Type {
	case Text, Bytes, Set:
		e.text = func(f *Frame) ([]byte, State) {
			v, s := f.column(n)
			if s != Known {
				return nil, s
			}
			return v.Bytes(), s
		}
	case Decimal:
		e.dec = func(f *Frame) (decimal.Decimal, State) {
			v, s := f.column(n)
			if s != Known {
				return decimal.Decimal{}, s
			}
			return toDecimal(v), s
		}
	case Float:
		e.float = func(f *Frame) (float64, State) {
			v, s := f.column(n)
			if s != Known {
				return 0, s
			}
			return toFloat(v), s
		}
	default:
		e.int = func(f *Frame) (int64, State) {
			v, s := f.column(n)
			if s != Known {
				return 0, s
			}
			return v.Int(), s
		}
	}
	return e
}

func toDecimal(v schemas.Value) decimal.Decimal {
	scale := 0
	if t := v.Type(); t.Kind == cdc.KindDecimal {
		scale = t.Scale
	}
	if n, ok := v.Unscaled(); ok {
		return decimal.New(n, scale)
	}
	var d apd.Decimal
	v.Decimal(&d)
	n := new(big.Int).Set(d.Coeff.MathBigInt())
	if d.Negative {
		n.Neg(n)
	}
	return decimal.FromBig(n, scale)
}

// toFloat gives a FLOAT the value that its shortest text has: 0.1, not the
// 0.10000000149011612 that the same bits are as a DOUBLE.
func toFloat(v schemas.Value) float64 {
	f := v.Float()
	if v.Type().Kind == cdc.KindFloat {
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', -1, 32), 64)
	}
	return f
}

// At is the moment when clocks in the zone showed us, microseconds since 1970 on
// their face. A time that came twice is the first of the two; one that was
// skipped is read by a clock that nobody has changed yet.
func At(us int64, zone *time.Location) int64 {
	sec := floorDiv(us, 1e6)
	before, after := offset(sec-86400, zone), offset(sec+86400, zone)
	at := sec - before
	if before != after && offset(at, zone) != before && offset(sec-after, zone) == after {
		at = sec - after
	}
	return at*1e6 + us - sec*1e6
}

func offset(sec int64, zone *time.Location) int64 {
	_, o := time.Unix(sec, 0).In(zone).Zone()
	return int64(o)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
