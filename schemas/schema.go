package schemas

import (
	"encoding/json"
	"fmt"
	"strings"

	"chartwire/cdc"
)

// RowSchema is the schema of one version of a table: what its rows are read
// with. It does not change and is safe for concurrent use. Of two RowSchemas
// made from one Avro text, every part is equal.
type RowSchema struct {
	// Table describes the columns; two RowSchemas never share it unless they
	// were made from it.
	Table *cdc.Table
	// Avro is the envelope's schema in JSON, as registered.
	Avro  string
	forms []form
}

// NewRowSchema makes the schema of a table as its source describes it.
func NewRowSchema(t *cdc.Table) (*RowSchema, error) {
	text, err := EncodeSchema(t)
	if err != nil {
		return nil, err
	}
	return compile(t, text)
}

func compile(t *cdc.Table, text string) (*RowSchema, error) {
	s := &RowSchema{Table: t, Avro: text, forms: make([]form, len(t.Columns))}
	for i := range t.Columns {
		if err := checkType(&t.Columns[i]); err != nil {
			return nil, fmt.Errorf("schema of %s: %w", t.ID(), err)
		}
		s.forms[i] = formOf(&t.Columns[i].Type)
	}
	return s, nil
}

// Column returns the index of the named column, or -1.
func (s *RowSchema) Column(name string) int { return s.Table.Column(name) }

// The Avro schema as JSON. Attributes that Avro does not know ("column",
// "key") carry the cdc.Table, so that a reader needs the schema alone.

type recordJSON struct {
	Type      string      `json:"type"`
	Name      string      `json:"name"`
	Namespace string      `json:"namespace,omitempty"`
	Key       []string    `json:"key,omitempty"` // the names of the key columns
	Fields    []fieldJSON `json:"fields"`
}

type fieldJSON struct {
	Name    string          `json:"name"`
	Type    any             `json:"type"`
	Default json.RawMessage `json:"default,omitempty"`
	Column  *columnJSON     `json:"column,omitempty"`
}

// columnJSON is a cdc.Column; what is zero is left out.
type columnJSON struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Unsigned  bool     `json:"unsigned,omitempty"`
	Bits      int      `json:"bits,omitempty"`
	Length    int      `json:"length,omitempty"`
	Precision int      `json:"precision,omitempty"`
	Scale     int      `json:"scale,omitempty"`
	Charset   string   `json:"charset,omitempty"`
	Labels    []string `json:"labels,omitempty"`
}

var null = json.RawMessage("null")

// EncodeSchema gives the Avro schema of the envelope of a table's changes.
// Equal tables give equal texts.
func EncodeSchema(t *cdc.Table) (string, error) {
	row, err := rowRecord(t)
	if err != nil {
		return "", err
	}
	space := row.Namespace
	row.Namespace = "" // that of the envelope around it
	envelope := recordJSON{
		Type: "record", Name: "Envelope", Namespace: space,
		Fields: []fieldJSON{
			{Name: "before", Type: []any{"null", row}, Default: null},
			{Name: "after", Type: []any{"null", "Row"}, Default: null},
			{Name: "source", Type: sourceRecord},
			{Name: "op", Type: "string"},
			{Name: "ts_ms", Type: "long"},
		},
	}
	b, err := json.Marshal(envelope)
	if err != nil {
		return "", fmt.Errorf("schema of %s: %w", t.ID(), err)
	}
	return string(b), nil
}

// RowAvro gives the Avro schema of a [cdc.Row] alone, for tools that read it
// outside its envelope.
func RowAvro(t *cdc.Table) (string, error) {
	row, err := rowRecord(t)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(row)
	if err != nil {
		return "", fmt.Errorf("schema of %s: %w", t.ID(), err)
	}
	return string(b), nil
}

// FieldName is the name of a column's field in Avro.
func FieldName(c *cdc.Column) string {
	if c.Field != "" {
		return AvroName(c.Field)
	}
	return AvroName(c.Name)
}

func rowRecord(t *cdc.Table) (row recordJSON, err error) {
	row = recordJSON{
		Type: "record", Name: "Row", Fields: []fieldJSON{},
		Namespace: AvroName(t.Source) + "." + AvroName(t.Database) + "." + AvroName(t.Name),
	}
	for _, k := range t.Key {
		row.Key = append(row.Key, t.Columns[k].Name)
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if err := checkType(c); err != nil {
			return row, fmt.Errorf("schema of %s: %w", t.ID(), err)
		}
		a, _ := avroOf(&c.Type)
		var inner any = a
		if a.LogicalType == "" {
			inner = a.Type
		}
		row.Fields = append(row.Fields, fieldJSON{
			Name: FieldName(c), Type: []any{"null", inner}, Default: null,
			Column: &columnJSON{c.Name, c.Type.Kind.String(), c.Type.Unsigned, c.Type.Bits, c.Type.Length,
				c.Type.Precision, c.Type.Scale, c.Type.Charset, c.Type.Labels},
		})
	}
	return row, nil
}

// sourceRecord is the same for every table; envelope.go writes and reads it.
var sourceRecord = recordJSON{
	Type: "record", Name: "Source", Namespace: "chartwire",
	Fields: []fieldJSON{
		{Name: "name", Type: "string"},
		{Name: "db", Type: "string"},
		{Name: "table", Type: "string"},
		{Name: "ts_ms", Type: "long"},
		{Name: "seq", Type: "long"},
		{Name: "gtid", Type: "string"},
		{Name: "file", Type: "string"},
		{Name: "pos", Type: "long"},
		{Name: "row", Type: "long"},
		{Name: "snapshot", Type: "boolean"},
		{Name: "server", Type: "string"},
	},
}

// ParseEnvelope reads a schema that EncodeSchema wrote, back from a registry.
// A schema that something else wrote is refused.
func ParseEnvelope(avro string) (*RowSchema, error) {
	var env struct {
		Name      string
		Namespace string
		Fields    []struct {
			Name string
			Type json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(avro), &env); err != nil {
		return nil, fmt.Errorf("reading schema: %w", err)
	}
	ns := strings.Split(env.Namespace, ".")
	if env.Name != "Envelope" || len(ns) != 3 || len(env.Fields) != 5 || env.Fields[0].Name != "before" {
		return nil, fmt.Errorf("reading schema %q: not an envelope of Chartwire", env.Name)
	}
	t := &cdc.Table{Source: ParseAvroName(ns[0]), Database: ParseAvroName(ns[1]), Name: ParseAvroName(ns[2])}
	var union []json.RawMessage
	if err := json.Unmarshal(env.Fields[0].Type, &union); err != nil || len(union) != 2 {
		return nil, fmt.Errorf("reading schema of %s: before is not a union of two", t.ID())
	}
	var row struct {
		Key    []string
		Fields []struct {
			Name   string
			Column columnJSON
		}
	}
	if err := json.Unmarshal(union[1], &row); err != nil {
		return nil, fmt.Errorf("reading schema of %s: %w", t.ID(), err)
	}
	for i := range row.Fields {
		c := row.Fields[i].Column
		col := cdc.Column{Name: c.Name, Type: cdc.Type{Kind: cdc.ParseKind(c.Kind), Unsigned: c.Unsigned,
			Bits: c.Bits, Length: c.Length, Precision: c.Precision, Scale: c.Scale, Charset: c.Charset, Labels: c.Labels}}
		if name := row.Fields[i].Name; name != AvroName(c.Name) {
			col.Field = ParseAvroName(name)
		}
		t.Columns = append(t.Columns, col)
	}
	for _, k := range row.Key {
		i := t.Column(k)
		if i < 0 {
			return nil, fmt.Errorf("reading schema of %s: key column %q is no field", t.ID(), k)
		}
		t.Key = append(t.Key, i)
	}
	again, err := EncodeSchema(t)
	if err != nil {
		return nil, err
	}
	if !sameJSON(avro, again) {
		return nil, fmt.Errorf("reading schema of %s: its fields do not agree with their column attributes", t.ID())
	}
	return compile(t, avro)
}

// sameJSON compares two texts by content: a registry may store its own layout.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	p, err1 := json.Marshal(x)
	q, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && string(p) == string(q)
}
