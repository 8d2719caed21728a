package mysql

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/schemas"
)

// printed is the expression by which the client prints a column: itself, but
// for what it prints as bytes of some charset, or not with all digits.
func printed(name string, t *cdc.Type) string {
	switch t.Kind {
	case cdc.KindText, cdc.KindEnum, cdc.KindSet, cdc.KindJSON:
		return "hex(convert(" + name + " using utf8mb4))"
	case cdc.KindBytes, cdc.KindGeometry, cdc.KindVector:
		return "hex(" + name + ")"
	case cdc.KindBit:
		return name + "+0"
	case cdc.KindFloat, cdc.KindDouble:
		return name + "+0e0"
	case cdc.KindYear:
		return "year(" + name + ")"
	}
	return name
}

// asPrinted compares the rows of a table with what the client prints.
func (l *lattice) asPrinted(i int) {
	l.t.Helper()
	rows := l.streamed[i]
	table := rows["1"].Table
	var exprs []string
	for j := range table.Columns {
		exprs = append(exprs, printed(table.Columns[j].Name, &table.Columns[j].Type))
	}
	out, err := l.r.db.Client("set time_zone='+00:00'; select " + strings.Join(exprs, ", ") + " from " + l.r.name + "." + table.Name)
	if err != nil {
		l.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(rows) {
		l.t.Fatalf("%s: the client prints %d rows of %d", table.Name, len(lines), len(rows))
	}
	for _, line := range lines {
		cells := strings.Split(line, "\t")
		f := l.fields(table, rows[cells[0]].After)
		for j, cell := range cells {
			l.compared++
			if !equalsPrinted(f.Value(j), cell) {
				l.wrong(table, j, cells[0], fmt.Sprintf("the client prints %q, the log has %q", cell, f.Value(j).AppendText(nil)))
			}
		}
	}
}

// equalsPrinted says whether a value is what the client printed.
func equalsPrinted(v schemas.Value, cell string) bool {
	kind := v.Type().Kind
	if cell == "NULL" || unsayable(kind, cell) {
		return v.Null()
	}
	if v.Null() {
		return false
	}
	canonical := string(v.AppendText(nil))
	switch kind {
	case cdc.KindText, cdc.KindEnum, cdc.KindSet, cdc.KindJSON:
		b, err := hex.DecodeString(cell)
		return err == nil && strings.ReplaceAll(canonical, "\uFFFD", "?") == strings.ReplaceAll(string(b), "\uFFFD", "?")
	case cdc.KindBytes, cdc.KindGeometry, cdc.KindVector:
		return strings.EqualFold(canonical, cell)
	case cdc.KindFloat, cdc.KindDouble:
		f, err := strconv.ParseFloat(cell, 64)
		return err == nil && f == v.Float()
	case cdc.KindInt, cdc.KindBit, cdc.KindYear, cdc.KindDecimal:
		want, ok := new(big.Rat).SetString(cell)
		got, fine := new(big.Rat).SetString(canonical)
		return ok && fine && want.Cmp(got) == 0
	case cdc.KindInet4, cdc.KindInet6:
		want, err := netip.ParseAddr(cell)
		return err == nil && want.String() == canonical
	case cdc.KindTime, cdc.KindDateTime, cdc.KindTimestamp:
		if whole, fraction, ok := strings.Cut(cell, "."); ok {
			cell = strings.TrimSuffix(whole+"."+strings.TrimRight(fraction, "0"), ".")
		}
		return strings.NewReplacer("T", " ", "Z", "").Replace(canonical) == cell
	}
	return canonical == cell
}

// unsayable are the dates that are null to us: those that no calendar has, and
// those before the year 1000.
func unsayable(k cdc.Kind, cell string) bool {
	if k != cdc.KindDate && k != cdc.KindDateTime && k != cdc.KindTimestamp {
		return false
	}
	d, err := time.Parse(time.DateOnly, cell[:10])
	return err != nil || d.Year() < 1000
}
