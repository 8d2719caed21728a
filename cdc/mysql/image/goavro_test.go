package image_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/schemas"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

// value is one value three ways: the bytes of a row image, what goavro encodes
// (nil: null), and the canonical text.
type value struct {
	image []byte
	avro  any
	text  string
}

// randomColumn is a column type that can make values up.
type randomColumn struct {
	meta image.ColumnMeta
	make func(r *rand.Rand) value
}

// FuzzRowAgainstGoavro makes tables and rows up and holds the direct path equal
// to goavro both ways: ours is what goavro writes, goavro reads from ours what
// went in, and so do the accessors.
func FuzzRowAgainstGoavro(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		meta := image.TableMeta{Source: "s", Database: "d", Name: "t", Key: []int{0}}
		var columns []randomColumn
		for i := range 1 + r.IntN(30) {
			c := randomColumns[r.IntN(len(randomColumns))](r)
			if i == 0 {
				c = intColumn(r)
			}
			c.meta.Name = fmt.Sprintf("%dc", i)
			columns = append(columns, c)
			meta.Columns = append(meta.Columns, c.meta)
		}
		enc, err := image.Compile(&meta, nil)
		if err != nil {
			t.Fatal(err)
		}
		schema, err := schemas.NewRowSchema(enc.Table())
		if err != nil {
			t.Fatal(err)
		}
		codec := rowCodec(t, schema)
		present := bytes.Repeat([]byte{0xff}, (len(columns)+7)/8)
		var images []byte
		var natives []map[string]any
		var texts [][]string
		for range 1 + r.IntN(4) {
			img, native, text := randomRow(r, columns)
			images = append(images, img...)
			natives, texts = append(natives, native), append(texts, text)
		}
		for i, native := range natives {
			var row []byte
			if row, images, err = enc.Append(nil, images, present); err != nil {
				t.Fatal(err)
			}
			compareWithGoavro(t, codec, row, native)
			compareAccessors(t, schema, row, native, texts[i])
		}
		if len(images) != 0 {
			t.Errorf("%d bytes left", len(images))
		}
	})
}

func rowCodec(t *testing.T, s *schemas.RowSchema) *goavro.Codec {
	t.Helper()
	text, err := schemas.RowAvro(s.Table)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(text)
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

func randomRow(r *rand.Rand, columns []randomColumn) (img []byte, native map[string]any, texts []string) {
	nulls := make([]byte, (len(columns)+7)/8)
	native = map[string]any{}
	var body []byte
	for i, c := range columns {
		name := schemas.AvroName(c.meta.Name)
		if i > 0 && r.IntN(5) == 0 {
			nulls[i/8] |= 1 << (i % 8)
			native[name], texts = nil, append(texts, null)
			continue
		}
		v := c.make(r)
		body = append(body, v.image...)
		native[name], texts = v.avro, append(texts, v.text)
		if v.avro == nil {
			texts[i] = null
		}
	}
	return append(nulls, body...), native, texts
}

func compareWithGoavro(t *testing.T, codec *goavro.Codec, row []byte, native map[string]any) {
	t.Helper()
	want, err := codec.BinaryFromNative(nil, native)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(row, want) {
		t.Errorf("ours and goavro's differ:\n%x\n%x", row, want)
	}
	got, rest, err := codec.NativeFromBinary(row)
	if err != nil || len(rest) != 0 {
		t.Fatalf("goavro reading ours: %v, %d bytes left", err, len(rest))
	}
	equalRat := cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })
	if d := cmp.Diff(native, got, equalRat); d != "" {
		t.Errorf("goavro read (+) what did not go in (-):\n%s", d)
	}
}

func compareAccessors(t *testing.T, s *schemas.RowSchema, row cdc.Row, native map[string]any, texts []string) {
	t.Helper()
	var f schemas.Fields
	if err := f.Read(s, row); err != nil {
		t.Fatal(err)
	}
	var spans []byte
	for i := range s.Table.Columns {
		v := f.Value(i)
		spans = append(spans, f.Span(i)...)
		if one, err := s.Accessor(i).Find(row); err != nil || !bytes.Equal(one.AppendText(nil), v.AppendText(nil)) || one.Null() != v.Null() {
			t.Errorf("column %d: accessor and fields differ, or %v", i, err)
		}
		got := null
		if !v.Null() {
			got = string(v.AppendText(nil))
		}
		if got != texts[i] {
			t.Errorf("column %d (%s): text %q, want %q", i, s.Table.Columns[i].Type.Kind, got, texts[i])
		}
		if n := native[schemas.AvroName(s.Table.Columns[i].Name)]; n != nil {
			for _, inner := range n.(map[string]any) {
				compareValue(t, v, inner)
			}
		}
	}
	if !bytes.Equal(spans, row) {
		t.Error("the spans are not the row")
	}
}

func compareValue(t *testing.T, v schemas.Value, native any) {
	t.Helper()
	ok := false
	switch n := native.(type) {
	case int32:
		ok = v.Int() == int64(n)
	case int64:
		ok = v.Int() == n
	case float32:
		ok = v.Float() == float64(n)
	case float64:
		ok = v.Float() == n
	case string:
		ok = v.Text() == n
	case []byte:
		ok = bytes.Equal(v.Bytes(), n)
	case time.Time:
		ok = v.Int() == n.UnixMicro() || v.Int() == n.Unix()/86400
	case *big.Rat:
		var d apd.Decimal
		ok = v.Decimal(&d)
		r, _ := new(big.Rat).SetString(d.Text('f'))
		ok = ok && r.Cmp(n) == 0
		if n.IsInt() && n.Num().IsUint64() && v.Type().Kind != cdc.KindDecimal {
			ok = ok && v.Uint() == n.Num().Uint64()
		}
	}
	if !ok {
		t.Errorf("the getter of %s does not give %T of goavro", v.Type().Kind, native)
	}
}

func long(v int64) any { return goavro.Union("long", v) }
func str(s string) any { return goavro.Union("string", s) }

func prefixed(size int, b []byte) []byte {
	n := binary.LittleEndian.AppendUint64(nil, uint64(len(b)))
	return append(n[:size], b...)
}

// Every column type, with values at the edges of its range more often than not.
var randomColumns = []func(*rand.Rand) randomColumn{intColumn, intColumn, uint64Column, decimalColumn, decimalColumn, floatColumn, doubleColumn,
	dateColumn, dateTimeColumn, timestampColumn, timeColumn, yearColumn, bitColumn, textColumn, textColumn, bytesColumn, enumColumn, setColumn}

func intColumn(r *rand.Rand) randomColumn {
	t := []struct {
		code byte
		size int
	}{{1, 1}, {2, 2}, {9, 3}, {3, 4}, {8, 8}}[r.IntN(5)]
	unsigned := r.IntN(2) == 0 && t.size < 8
	return randomColumn{image.ColumnMeta{Type: t.code, Unsigned: unsigned}, func(r *rand.Rand) value {
		u := r.Uint64() >> r.IntN(64)
		if r.IntN(2) == 0 {
			u = -u
		}
		b := binary.LittleEndian.AppendUint64(nil, u)[:t.size]
		shift := 64 - 8*t.size
		n := int64(u<<shift) >> shift
		if unsigned {
			n = int64(u << shift >> shift)
		}
		v := value{image: b, avro: goavro.Union("int", int32(n)), text: fmt.Sprint(n)}
		if t.size == 8 || t.size == 4 && unsigned {
			v.avro = long(n)
		}
		return v
	}}
}

func uint64Column(*rand.Rand) randomColumn {
	return randomColumn{image.ColumnMeta{Type: 8, Unsigned: true}, func(r *rand.Rand) value {
		u := r.Uint64() >> r.IntN(64)
		return value{binary.LittleEndian.AppendUint64(nil, u), goavro.Union("bytes.decimal", new(big.Rat).SetUint64(u)), fmt.Sprint(u)}
	}}
}

func decimalColumn(r *rand.Rand) randomColumn {
	precision := 1 + r.IntN(65)
	scale := r.IntN(min(precision, 30) + 1)
	return randomColumn{image.ColumnMeta{Type: 246, Meta: uint16(precision<<8 | scale)}, func(r *rand.Rand) value {
		digits := []byte(strings.Repeat("0", precision))
		for i := r.IntN(precision + 1); i < precision; i++ {
			digits[i] = "0123456789999"[r.IntN(13)]
		}
		text := string(digits[:precision-scale]) + "." + string(digits[precision-scale:])
		negative := r.IntN(2) == 0 && strings.Trim(text, "0.") != ""
		b := binaryDecimal(string(digits), precision, scale, negative)
		if negative {
			text = "-" + text
		}
		rat, ok := new(big.Rat).SetString(strings.TrimSuffix("0"+strings.TrimPrefix(text, "-"), "."))
		if !ok {
			panic(text)
		}
		if negative {
			rat.Neg(rat)
		}
		canonical := rat.FloatString(scale)
		if scale > 0 {
			canonical = strings.TrimRight(strings.TrimRight(canonical, "0"), ".")
		}
		return value{b, goavro.Union("bytes.decimal", rat), canonical}
	}}
}

// binaryDecimal packs digits as the servers do.
func binaryDecimal(digits string, precision, scale int, negative bool) []byte {
	size := []int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}
	var b []byte
	group := func(s string) {
		n := uint32(0)
		for _, c := range s {
			n = n*10 + uint32(c-'0')
		}
		b = append(b, binary.BigEndian.AppendUint32(nil, n)[4-size[len(s)]:]...)
	}
	whole := precision - scale
	group(digits[:whole%9])
	for i := whole % 9; i < whole; i += 9 {
		group(digits[i : i+9])
	}
	rest := digits[whole:]
	for ; len(rest) >= 9; rest = rest[9:] {
		group(rest[:9])
	}
	group(rest)
	b[0] ^= 0x80
	if negative {
		for i := range b {
			b[i] ^= 0xff
		}
	}
	return b
}

func floatColumn(*rand.Rand) randomColumn {
	return randomColumn{image.ColumnMeta{Type: 4, Meta: 4}, func(r *rand.Rand) value {
		f := float32(r.NormFloat64() * math.Pow(10, float64(r.IntN(60)-30)))
		return value{binary.LittleEndian.AppendUint32(nil, math.Float32bits(f)), goavro.Union("float", f), fmt.Sprint(f)}
	}}
}

func doubleColumn(*rand.Rand) randomColumn {
	return randomColumn{image.ColumnMeta{Type: 5, Meta: 8}, func(r *rand.Rand) value {
		f := r.NormFloat64() * math.Pow(10, float64(r.IntN(600)-300))
		return value{binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)), goavro.Union("double", f), fmt.Sprint(f)}
	}}
}

func textColumn(r *rand.Rand) randomColumn {
	m := []image.ColumnMeta{{Type: 15, Meta: 255}, {Type: 15, Meta: 256}, {Type: 252, Meta: 1}, {Type: 252, Meta: 2}, {Type: 252, Meta: 3}, {Type: 252, Meta: 4}, {Type: 254, Meta: 0xfe<<8&0xff00 | 40}}[r.IntN(7)]
	m.Collation = []uint64{45, 33, 8}[r.IntN(3)]
	size := 1
	switch {
	case m.Type == 252:
		size = int(m.Meta)
	case m.Meta == 256:
		size = 2
	}
	return randomColumn{m, func(r *rand.Rand) value {
		letters := []rune("abc XYZ09'\"\\\n日é😀")
		if m.Collation == 8 {
			letters = []rune("abc XYZ09'\"\\\néß€ÿ")
		}
		var s, raw []byte
		for range r.IntN(20) {
			c := letters[r.IntN(len(letters))]
			s = append(s, string(c)...)
			switch {
			case m.Collation != 8:
				raw = append(raw, string(c)...)
			case c == '€':
				raw = append(raw, 0x80)
			default:
				raw = append(raw, byte(c))
			}
		}
		return value{prefixed(size, raw), str(string(s)), string(s)}
	}}
}

func bytesColumn(r *rand.Rand) randomColumn {
	pad := 0
	m := image.ColumnMeta{Type: 252, Meta: 2, Collation: 63}
	size := 2
	if r.IntN(2) == 0 {
		pad, size = 1+r.IntN(20), 1
		m = image.ColumnMeta{Type: 254, Meta: 0xfe00 | uint16(pad), Collation: 63}
	}
	return randomColumn{m, func(r *rand.Rand) value {
		b := make([]byte, max(pad, r.IntN(20)*(1-min(pad, 1))))
		for i := range b {
			b[i] = byte(r.Uint32()) & byte(0-r.IntN(2))
		}
		raw := b
		if pad > 0 {
			raw = bytes.TrimRight(b, "\x00")
		}
		return value{prefixed(size, raw), goavro.Union("bytes", b), hex.EncodeToString(b)}
	}}
}
