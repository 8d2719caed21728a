package ddl

import (
	"fmt"
	"strconv"
	"strings"

	"chartwire/cdc"
)

// intBits are the integer types and their widths.
var intBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

// kinds are the types that need no more than their name.
var kinds = map[string]cdc.Kind{
	"float": cdc.KindFloat, "double": cdc.KindDouble, "date": cdc.KindDate, "year": cdc.KindYear, "json": cdc.KindJSON,
	"char": cdc.KindText, "varchar": cdc.KindText, "tinytext": cdc.KindText, "text": cdc.KindText, "mediumtext": cdc.KindText, "longtext": cdc.KindText,
	"varbinary": cdc.KindBytes, "tinyblob": cdc.KindBytes, "blob": cdc.KindBytes, "mediumblob": cdc.KindBytes, "longblob": cdc.KindBytes,
	"time": cdc.KindTime, "datetime": cdc.KindDateTime, "timestamp": cdc.KindTimestamp, "uuid": cdc.KindUUID, "inet4": cdc.KindInet4, "inet6": cdc.KindInet6,
	"geometry": cdc.KindGeometry, "point": cdc.KindGeometry, "linestring": cdc.KindGeometry, "polygon": cdc.KindGeometry, "multipoint": cdc.KindGeometry,
	"multilinestring": cdc.KindGeometry, "multipolygon": cdc.KindGeometry, "geometrycollection": cdc.KindGeometry, "geomcollection": cdc.KindGeometry, "vector": cdc.KindVector,
}

func (p *parser) column(t *cdc.Table) error {
	name, err := p.name()
	if err != nil {
		return err
	}
	if t.Column(name) >= 0 {
		return fmt.Errorf("column %s is there twice", name)
	}
	c := cdc.Column{Name: name}
	if err := p.columnType(&c.Type); err != nil {
		return fmt.Errorf("column %s: %w", name, err)
	}
	t.Columns = append(t.Columns, c)
	for {
		switch {
		case p.words("NOT", "NULL"), p.words("NULL"), p.words("AUTO_INCREMENT"), p.words("INVISIBLE"):
		case p.words("unsigned"):
			c.Type.Unsigned = true
			t.Columns[len(t.Columns)-1] = c
		case p.words("zerofill"):
		case p.words("CHARACTER", "SET"):
			c.Type.Charset = p.next().text
			t.Columns[len(t.Columns)-1] = c
		case p.words("COLLATE"), p.words("COMMENT"):
			p.next()
		case p.words("DEFAULT"), p.words("ON", "UPDATE"):
			p.words("-")
			p.next()
			if p.words(".") {
				p.next()
			}
			if p.words("(") {
				if p.peek().kind == 'n' {
					p.next()
				}
				if err := p.need(")"); err != nil {
					return err
				}
			}
		case p.peek().kind == ',' || p.peek().kind == ')':
			return nil
		default:
			return fmt.Errorf("column %s: unknown %q", name, p.peek().text)
		}
	}
}

func (p *parser) columnType(t *cdc.Type) error {
	word := strings.ToLower(p.next().text)
	args, err := p.args()
	if err != nil {
		return err
	}
	num := func(i, def int) int {
		if i < len(args) {
			if n, err := strconv.Atoi(args[i]); err == nil {
				return n
			}
		}
		return def
	}
	if bits, ok := intBits[word]; ok {
		t.Kind, t.Bits = cdc.KindInt, bits
		return nil
	}
	switch word {
	case "decimal":
		t.Kind, t.Precision, t.Scale = cdc.KindDecimal, num(0, 10), num(1, 0)
	case "bit":
		t.Kind, t.Bits = cdc.KindBit, num(0, 1)
	case "binary":
		t.Kind, t.Length = cdc.KindBytes, num(0, 1)
	case "enum":
		t.Kind, t.Labels = cdc.KindEnum, args
	case "set":
		t.Kind, t.Labels = cdc.KindSet, args
	default:
		kind, ok := kinds[word]
		if !ok {
			return fmt.Errorf("unknown type %q", word)
		}
		t.Kind = kind
		if kind == cdc.KindTime || kind == cdc.KindDateTime || kind == cdc.KindTimestamp {
			t.Scale = num(0, 0)
		}
	}
	return nil
}

// args reads what a type has in parentheses: numbers or labels.
func (p *parser) args() (out []string, err error) {
	if !p.words("(") {
		return nil, nil
	}
	for {
		t := p.next()
		if t.kind != 'n' && t.kind != 's' {
			return nil, fmt.Errorf("expected a number or a label, not %q", t.text)
		}
		out = append(out, t.text)
		if !p.words(",") {
			return out, p.need(")")
		}
	}
}
