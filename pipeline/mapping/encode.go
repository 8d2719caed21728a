package mapping

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/mapping/decimal"
	"chartwire/schemas"
)

// EncodeRow makes a row from the texts of its columns, written as a person or
// SQL writes them: what examples in map files and tests need. A column that
// cells do not have, or have as nil, is null.
func EncodeRow(t *cdc.Table, cells map[string]*string) (cdc.Row, error) {
	for name := range cells {
		if t.Column(name) < 0 {
			return nil, fmt.Errorf("table %s has no column %s", t.Name, name)
		}
	}
	row := cdc.Row{}
	for i := range t.Columns {
		c := &t.Columns[i]
		text := cells[c.Name]
		if text == nil {
			row = append(row, 0)
			continue
		}
		var err error
		if row, err = appendCell(append(row, 2), &c.Type, *text); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
	}
	return row, nil
}

func appendCell(b []byte, t *cdc.Type, s string) ([]byte, error) {
	switch t.Kind {
	case cdc.KindInt, cdc.KindYear, cdc.KindBit:
		return appendInteger(b, t, s)
	case cdc.KindDecimal:
		d, ok := decimal.Parse(s)
		if !ok {
			return nil, fmt.Errorf("not a number; write \"12.50\"")
		}
		if d.Cmp(d.Round(t.Scale)) != 0 {
			return nil, fmt.Errorf("the column has %d digits after the point", t.Scale)
		}
		digits := d.Unscaled(t.Scale)
		return schemas.AppendBytes(b, twosComplement(digits)), nil
	case cdc.KindFloat:
		f, err := strconv.ParseFloat(s, 32)
		if err != nil {
			return nil, fmt.Errorf("not a number; write 12.5")
		}
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(f))), nil
	case cdc.KindDouble:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("not a number; write 12.5")
		}
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(f)), nil
	case cdc.KindDate:
		return appendMoment(b, s, 86400e6, time.DateOnly)
	case cdc.KindDateTime, cdc.KindTimestamp:
		return appendMoment(b, s, 1, "2006-01-02 15:04:05.999999")
	case cdc.KindTime:
		return appendTimeOfDay(b, s)
	case cdc.KindBytes:
		raw, err := hex.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("bytes are written in hexadecimal")
		}
		return schemas.AppendBytes(b, raw), nil
	case cdc.KindEnum:
		if s != "" && !slices.Contains(t.Labels, s) {
			return nil, fmt.Errorf("not one of the labels %s", strings.Join(t.Labels, ", "))
		}
	}
	return schemas.AppendBytes(b, s), nil
}

func appendInteger(b []byte, t *cdc.Type, s string) ([]byte, error) {
	if t.Bits == 64 && (t.Unsigned || t.Kind == cdc.KindBit) {
		u, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("not an unsigned integer of 64 bits")
		}
		return schemas.AppendBytes(b, twosComplement(new(big.Int).SetUint64(u))), nil
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("not an integer")
	}
	if bits := t.Bits; t.Kind == cdc.KindInt && bits < 64 {
		low, high := int64(-1)<<(bits-1), int64(1)<<(bits-1)-1
		if t.Unsigned {
			low, high = 0, int64(1)<<bits-1
		}
		if v < low || v > high {
			return nil, fmt.Errorf("outside the column's %d to %d", low, high)
		}
	}
	return schemas.AppendLong(b, v), nil
}

// appendMoment reads a day or time in the server's form; zero dates and those
// before the year 1000 become null, as they do where rows are encoded.
func appendMoment(b []byte, s string, unit int64, layout string) ([]byte, error) {
	if len(s) >= len(time.DateOnly) && s < "1000" {
		b[len(b)-1] = 0
		return b, nil
	}
	t, err := time.Parse(layout, strings.Replace(s, "T", " ", 1))
	if err != nil {
		return nil, fmt.Errorf("not a moment; write it as 2026-01-31 or 2026-01-31 15:04:05")
	}
	return schemas.AppendLong(b, t.UnixMicro()/unit), nil
}

func appendTimeOfDay(b []byte, s string) ([]byte, error) {
	neg := strings.HasPrefix(s, "-")
	parts := strings.Split(strings.TrimPrefix(s, "-"), ":")
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a time; write 15:04:05")
	}
	h, err1 := strconv.ParseInt(parts[0], 10, 64)
	m, err2 := strconv.ParseInt(parts[1], 10, 64)
	sec, ok := decimal.Parse(parts[2])
	if err1 != nil || err2 != nil || !ok {
		return nil, fmt.Errorf("not a time; write 15:04:05")
	}
	us, _ := sec.Mul(decimal.New(1e6, 0)).Round(0).Int64()
	us += h*3600e6 + m*60e6
	if neg {
		us = -us
	}
	return schemas.AppendLong(b, us), nil
}

// twosComplement is the shortest big-endian form, as Avro's decimals have it.
func twosComplement(n *big.Int) []byte {
	if n.Sign() >= 0 {
		b := n.Bytes()
		if len(b) == 0 || b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return b
	}
	length := new(big.Int).Not(n).BitLen()/8 + 1
	return new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(length*8))).FillBytes(make([]byte, length))
}
