package expr

import (
	"testing"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
)

type benchScope struct{ t *cdc.Table }

func (s benchScope) Column(path string) (int, *cdc.Type, string) {
	i := s.t.Column(path)
	return i, &s.t.Columns[i].Type, ""
}

func (benchScope) Zone([]int) *time.Location       { return time.UTC }
func (benchScope) Today() string                   { return "" }
func (benchScope) SiteKey() []byte                 { return nil }
func (benchScope) Many(string) bool                { return false }
func (benchScope) Enter(string) (int, int, string) { return 0, 0, "one table" }
func (benchScope) Leave()                          {}
func (benchScope) Change() string                  { return "" }

// BenchmarkExpressions is what EXPRESSIONS.md compares.
func BenchmarkExpressions(b *testing.B) {
	table := &cdc.Table{Name: "t", Columns: []cdc.Column{
		{Name: "status", Type: cdc.Type{Kind: cdc.KindText}},
		{Name: "total", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 26, Scale: 8}},
		{Name: "tax", Type: cdc.Type{Kind: cdc.KindDecimal, Precision: 26, Scale: 8}},
	}}
	schema, err := schemas.NewRowSchema(table)
	if err != nil {
		b.Fatal(err)
	}
	row := schemas.AppendBytes([]byte{2}, "Wc-Processing")
	row = append(schemas.AppendBytes(append(row, 2), []byte{0x01, 0x24, 0x0f, 0x80}), 2)
	row = schemas.AppendBytes(row, []byte{0x0f, 0x42, 0x40})
	var fields schemas.Fields
	if err := fields.Read(schema, row); err != nil {
		b.Fatal(err)
	}
	f := func(name, src string, run func(e *Expr, f *Frame) State) {
		n, err := Parse(src)
		if err != nil {
			b.Fatal(err)
		}
		e, errs := Compile(n, benchScope{table})
		if len(errs) > 0 {
			b.Fatal(errs[0])
		}
		frame := &Frame{Fields: &fields, Columns: []int{0, 1, 2}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				frame.Arena = frame.Arena[:0]
				if run(e, frame) != Known {
					b.Fatal("not known")
				}
			}
		})
	}
	text := func(e *Expr, f *Frame) State { _, s := e.Text(f); return s }
	cond := func(e *Expr, f *Frame) State { _, s := e.Bool(f); return s }
	f("name", `status`, text)
	f("comparison", `status == "Wc-Processing"`, cond)
	f("ternary with a call", `status == "Wc-Processing" ? lower(status) : "other"`, text)
	f("decimal addition", `total + tax`, func(e *Expr, f *Frame) State { _, s := e.Decimal(f); return s })
	f("decimal comparison", `total > 500`, cond)
}
