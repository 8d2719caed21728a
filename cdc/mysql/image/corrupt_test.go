package image_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
	"chartwire/integration/faults"
	"chartwire/schemas"
)

// everyColumn is a table with a column of every type, the key first.
func everyColumn(t testing.TB) *image.TableMeta {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	m := &image.TableMeta{Source: "s", Database: "d", Name: "t", Key: []int{0}}
	for i, c := range randomColumns {
		col := c(r).meta
		col.Name = fmt.Sprint("c", i)
		m.Columns = append(m.Columns, col)
	}
	for i, c := range []image.ColumnMeta{
		{Type: 245, Meta: 4}, {Type: 7}, {Type: 11}, {Type: 12}, {Type: 254, Meta: 0xfe10, Collation: 63, Declared: "inet6"},
		{Type: 254, Meta: 0xfe04, Collation: 63, Declared: "inet4"}, {Type: 252, Meta: 4, Collation: 46, Declared: "json"},
		{Type: 15, Meta: 40, Collation: 28}, {Type: 15, Meta: 40, Collation: 101}, {Type: 15, Meta: 40, Collation: 60},
		{Type: 15, Meta: 40, Collation: 1}, {Type: 15, Meta: 40, Collation: 12}, {Type: 15, Meta: 40, Collation: 248}, {Type: 254, Meta: 0xfe28, Collation: 10},
		{Type: 254, Meta: 0xfe10, Collation: 63, Declared: "uuid"}, {Type: 255, Meta: 4}, {Type: 242, Meta: 4},
		{Type: 140, Meta: 2, Collation: 45}, {Type: 141, Meta: 300, Collation: 8}, {Type: 141, Meta: 30, Collation: 63},
	} {
		c.Name = fmt.Sprint("d", i)
		m.Columns = append(m.Columns, c)
	}
	m.Dates = map[string]image.DatePolicy{}
	for i := range m.Columns {
		if m.Columns[i].Dated() {
			m.Dates[m.Columns[i].Name] = image.DateRaw
		}
	}
	return m
}

// FuzzImage holds that any bytes are a row or an error, and that what is a row
// can be read by its schema; whichever columns the event says there are.
func FuzzImage(f *testing.F) {
	m := everyColumn(f)
	enc, err := image.Compile(m, nil)
	if err != nil {
		f.Fatal(err)
	}
	few, err := image.Compile(m, []string{"c3", "d7"})
	if err != nil {
		f.Fatal(err)
	}
	all := bytes.Repeat([]byte{0xff}, (len(m.Columns)+7)/8)
	f.Add(bytes.Repeat([]byte{0}, 400), all)
	f.Add(bytes.Repeat([]byte{0xff}, 400), all)
	f.Add(append(bytes.Repeat([]byte{0}, 4), bytes.Repeat([]byte{1, 2}, 200)...), all)
	f.Add(bytes.Repeat([]byte{0, 1}, 100), append([]byte{0x0f}, all[1:]...))
	f.Fuzz(func(t *testing.T, img, present []byte) {
		checkImage(t, enc, img, present)
		checkImage(t, few, img, present)
	})
}

// checkImage decodes an image that may be damaged.
func checkImage(t *testing.T, enc *image.Encoder, img, present []byte) {
	t.Helper()
	row, rest, err := enc.Append(nil, img, present)
	if err != nil {
		if c := cdc.HaltCode(err); c != image.HaltCorrupt && c != image.HaltPartial {
			t.Error(err)
		}
		return
	}
	if len(rest) > len(img) {
		t.Errorf("%d bytes are left of %d", len(rest), len(img))
	}
	s, err := schemas.NewRowSchema(enc.Table())
	if err != nil {
		t.Fatal(err)
	}
	var fields schemas.Fields
	if err := fields.Read(s, row); err != nil {
		t.Fatal(err)
	}
	for i := range fields.Len() {
		fields.Value(i).AppendText(nil)
	}
}

// FuzzDamaged damages good images: a byte changed, the end cut off, a column
// said to be absent. Each is a row or a halt that holds none of its bytes.
func FuzzDamaged(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint16(seed*3), byte(1<<(seed%8)), uint16(seed%5), byte(seed%3))
	}
	f.Fuzz(func(t *testing.T, seed uint64, at uint16, flip byte, cut uint16, absent byte) {
		r := rand.New(rand.NewPCG(seed, 2))
		meta := image.TableMeta{Source: "s", Database: "d", Name: "t", Key: []int{0}}
		var columns []randomColumn
		for i := range 1 + r.IntN(20) {
			c := randomColumns[r.IntN(len(randomColumns))](r)
			c.meta.Name = fmt.Sprintf("c%d", i)
			columns, meta.Columns = append(columns, c), append(meta.Columns, c.meta)
		}
		enc, err := image.Compile(&meta, []string{"c1", "c2"})
		if err != nil {
			t.Fatal(err)
		}
		img, _, _ := randomRow(r, columns)
		img[int(at)%len(img)] ^= flip
		img = img[:len(img)-min(int(cut), len(img))]
		present := bytes.Repeat([]byte{0xff}, (len(columns)+7)/8)
		present[0] &^= absent
		checkImage(t, enc, img, present)
	})
}

// FuzzPacket is FuzzImage for the answers to queries.
func FuzzPacket(f *testing.F) {
	m := everyColumn(f)
	enc, err := image.Compile(m, nil)
	if err != nil {
		f.Fatal(err)
	}
	s, err := schemas.NewRowSchema(enc.Table())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Repeat([]byte{0xfb}, len(m.Columns)))
	f.Add(append([]byte("\x017\x05123.4\x1a2024-01-02 03:04:05.123456"), bytes.Repeat([]byte{0xfb}, 30)...))
	f.Add([]byte("\xfc\x01\x007\xfe"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		row, err := enc.AppendPacket(nil, packet)
		if err != nil {
			return
		}
		var fields schemas.Fields
		if err := fields.Read(s, row); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzJSON holds that any bytes are a JSON text or an error.
func FuzzJSON(f *testing.F) {
	m := &image.TableMeta{Key: []int{0}, Columns: []image.ColumnMeta{{Name: "id", Type: 1}, {Name: "v", Type: 245, Meta: 4}}}
	enc, err := image.Compile(m, nil)
	if err != nil {
		f.Fatal(err)
	}
	s, _ := schemas.NewRowSchema(enc.Table())
	f.Add([]byte{})
	f.Add([]byte{4, 1})
	f.Add([]byte{0, 1, 0, 12, 0, 11, 0, 1, 0, 5, 1, 0, 'a'})
	f.Add([]byte{2, 2, 0, 12, 0, 5, 7, 0, 12, 10, 0, 1, 'x'})
	f.Add(append([]byte{2}, bytes.Repeat([]byte{2, 0, 40, 0, 2, 0, 0, 2, 0, 0}, 4)...)) // contains itself, twice
	f.Add([]byte{11, 0, 0, 0, 0, 0, 0, 240, 63})
	f.Add([]byte{15, 246, 4, 3, 1, 0x80, 5})
	f.Add([]byte{15, 12, 8, 0, 0, 0, 0, 0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, doc []byte) {
		row, _, err := enc.Append(nil, slices.Concat([]byte{0, 1}, prefixed(4, doc)), []byte{3})
		if err != nil {
			return
		}
		v, err := s.Accessor(1).Find(row)
		if err != nil || !json.Valid(v.Bytes()) {
			t.Errorf("no JSON from %x: %v", doc, err)
		}
	})
}

// TestCutOff cuts a good image at every place: an error each time, that says
// the column and no value.
func TestCutOff(t *testing.T) {
	faults.Shows(t, "event-damaged", "a row image that ends early is refused at every length")
	r := loadReference(t)
	img := r.images[0]
	enc, err := image.Compile(&img.meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range img.image {
		_, _, err := enc.Append(nil, img.image[:n], img.present)
		if cdc.HaltCode(err) != image.HaltCorrupt {
			t.Errorf("cut off at %d: %v", n, err)
		} else if strings.Contains(err.Error(), "Johanna") || strings.Contains(err.Error(), "Beispiel") {
			t.Errorf("the error holds a value: %v", err)
		}
	}
	short := slices.Clone(img.present)
	short[1] &^= 4
	if _, _, err := enc.Append(nil, img.image, short); cdc.HaltCode(err) != image.HaltPartial {
		t.Errorf("a partial image: %v", err)
	}
}

// TestSelection checks that columns which nobody names are passed over, the key
// is taken, and what the table lacks is said.
func TestSelection(t *testing.T) {
	img := loadReference(t).images[0]
	all, err := image.Compile(&img.meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := image.Compile(&img.meta, []string{"balance", "not_there", "city"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range some.Table().Columns {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"id", "city", "balance"}) || !slices.Equal(some.Missing(), []string{"not_there"}) || !slices.Equal(some.Table().Key, []int{0}) {
		t.Errorf("columns %v, missing %v, key %v", names, some.Missing(), some.Table().Key)
	}
	whole, rest, err := all.Append(nil, img.image, img.present)
	if err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	part, rest, err := some.Append(nil, img.image, img.present)
	if err != nil || len(rest) > 0 {
		t.Fatal(err)
	}
	ws, _ := schemas.NewRowSchema(all.Table())
	ps, _ := schemas.NewRowSchema(some.Table())
	var wf, pf schemas.Fields
	if wf.Read(ws, whole) != nil || pf.Read(ps, part) != nil {
		t.Fatal("rows that cannot be read")
	}
	for i, n := range names {
		if !bytes.Equal(pf.Span(i), wf.Span(ws.Column(n))) {
			t.Errorf("%s differs", n)
		}
	}
	key, err := some.AppendKey(nil, part)
	if err != nil || string(key) != "1000000" {
		t.Errorf("key %q, %v", key, err)
	}
}

// TestHalts checks what stops a table, and that columns nobody names do not.
func TestHalts(t *testing.T) {
	faults.Shows(t, "charset-unknown", "names table, column and collation; a column that nobody captures stops nothing")
	id := image.ColumnMeta{Name: "id", Type: 3}
	f := func(code, says string, c image.ColumnMeta) {
		t.Helper()
		c.Name = "col"
		m := &image.TableMeta{Database: "shop", Name: "people", Key: []int{0}, Columns: []image.ColumnMeta{id, c}}
		_, err := image.Compile(m, nil)
		if cdc.HaltCode(err) != code || !strings.Contains(err.Error(), "shop.people column col") || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := image.Compile(m, []string{"id"}); err != nil && says != "type code 99" && says != "out of range" {
			t.Errorf("%+v stops a table where nobody names it: %v", c, err)
		}
	}
	f(image.HaltType, "xmltype", image.ColumnMeta{Type: 243, Declared: "xmltype"})
	f(image.HaltType, "FORCE", image.ColumnMeta{Type: 12, Declared: "datetime(6)"})
	f(image.HaltType, "type code 99", image.ColumnMeta{Type: 99})
	f(image.HaltType, "out of range", image.ColumnMeta{Type: 246, Meta: 70 << 8})
	f(image.HaltCharset, "collation 9999,", image.ColumnMeta{Type: 252, Meta: 2, Collation: 9999})
	f(image.HaltCharset, "collation 800,", image.ColumnMeta{Type: 254, Meta: 247<<8 | 1, Collation: 800, Labels: []string{"a"}})
	f(image.HaltCharset, "collation 1029,", image.ColumnMeta{Type: 252, Meta: 2, Collation: 1029}) // MariaDB's is one of latin1
	f(image.HaltMetadata, "labels", image.ColumnMeta{Type: 254, Meta: 247<<8 | 1, Collation: 45})

	_, err := image.Compile(&image.TableMeta{Key: []int{0}, Columns: []image.ColumnMeta{id, {Name: "d", Type: 10}, {Name: "d_raw", Type: 10}}, Dates: map[string]image.DatePolicy{"d": image.DateRaw}}, nil)
	if cdc.HaltCode(err) != image.HaltType || !strings.Contains(err.Error(), "d_raw") {
		t.Errorf("a column called like one of dates: %v", err)
	}
	_, err = image.Compile(&image.TableMeta{Database: "shop", Name: "people", Columns: []image.ColumnMeta{id}}, nil)
	if cdc.HaltCode(err) != image.HaltNoKey {
		t.Errorf("no key: %v", err)
	}
	_, err = image.Compile(&image.TableMeta{Key: []int{0}, Columns: []image.ColumnMeta{{Type: 3}}}, nil)
	if cdc.HaltCode(err) != image.HaltMetadata {
		t.Errorf("no names: %v", err)
	}
}

// TestLost checks that what cannot be said is told.
func TestLost(t *testing.T) {
	m := &image.TableMeta{Key: []int{0}, Columns: []image.ColumnMeta{{Name: "id", Type: 1}, {Name: "d", Type: 10}, {Name: "s", Type: 15, Meta: 9, Collation: 45}}}
	enc, err := image.Compile(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	lost := map[string]int{}
	enc.Lost = func(column string) { lost[column]++ }
	for range 3 {
		row, _, err := enc.Append(nil, []byte{0, 1, 0, 0, 0, 2, 'a', 0xff}, []byte{7})
		if err != nil || !bytes.Equal(row, append([]byte{2, 2, 0, 2, 8}, "a\uFFFD"...)) {
			t.Errorf("%x, %v", row, err)
		}
	}
	if _, err := enc.AppendPacket(nil, []byte("\x011\x0a0000-00-00\x01\xff")); err != nil {
		t.Error(err)
	}
	if len(lost) != 2 || lost["d"] != 4 || lost["s"] != 4 {
		t.Error(lost)
	}
}
