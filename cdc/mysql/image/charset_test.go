package image

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

var newTables = flag.Bool("charsets", false, "write charsets.bin.gz anew, as the newest MySQL knows its character sets")

// tabled are the charsets of charsetTables, those of single bytes first: they
// are the ones that are asked for. longest says how long their codes are.
var tabled = []struct {
	name    string
	longest int
}{
	{"latin1", 1}, {"latin2", 1}, {"latin5", 1}, {"latin7", 1}, {"cp1250", 1}, {"cp1251", 1}, {"cp1256", 1}, {"cp1257", 1},
	{"cp850", 1}, {"cp852", 1}, {"cp866", 1}, {"greek", 1}, {"hebrew", 1}, {"koi8r", 1}, {"koi8u", 1}, {"macroman", 1}, {"macce", 1},
	{"tis620", 1}, {"armscii8", 1}, {"dec8", 1}, {"geostd8", 1}, {"hp8", 1}, {"keybcs2", 1}, {"swe7", 1},
	{"big5", 2}, {"euckr", 2}, {"gb2312", 2}, {"gbk", 2}, {"sjis", 2}, {"cp932", 2}, {"ujis", 3}, {"eucjpms", 3}, {"gb18030", 4},
}

// TestCharsetsAgainstServers holds every code of every character set equal to
// what the servers make of it, and knows every collation of theirs.
func TestCharsetsAgainstServers(t *testing.T) {
	faults.Shows(t, "charset", "is the text that the server converts it to")
	if *newTables {
		writeCharsets(t)
	}
	for _, f := range Flavors() {
		t.Run(Name(f), func(t *testing.T) {
			pool, err := Server(t, f).Open("")
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			compareCollations(t, pool, f)
			codes := 0
			for _, c := range tabled {
				if c.name != "gb18030" || f.Name == "mysql" { // MariaDB does not have it
					codes += compareCharset(t, pool, c.name, c.longest)
				}
			}
			codes += compareCharset(t, pool, "ascii", 1)
			t.Logf("%d codes of %d charsets", codes, len(tabled)+1)
		})
	}
}

// compareCollations asks the server for the character set of every collation.
func compareCollations(t *testing.T, pool *sql.DB, f servers.Flavor) {
	from := "collations"
	if f.Name == "mariadb" { // its other table has one name for several character sets
		from = "collation_character_set_applicability"
	}
	rows, err := pool.Query("select id, character_set_name from information_schema." + from + " where id is not null")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id uint64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			t.Fatal(err)
		}
		if got := charsetOf(id); got != name {
			t.Errorf("collation %d is of %q, not %q", id, name, got)
		}
		if name != "binary" && newCharset(name) == nil {
			t.Errorf("character set %s cannot be read", name)
		}
		n++
	}
	if n < 250 {
		t.Errorf("only %d collations seen", n)
	}
}

// serverCodes asks for the text of every sequence of up to longest bytes that
// may be a code. What the server knows no text for is "?" to it; ill-formed
// sequences are no text to MySQL and left out.
func serverCodes(t *testing.T, pool *sql.DB, name string, longest int, each func(code []byte, text string)) {
	sequences := "select char(n) s from b"
	if longest > 1 {
		sequences += " union all select char(a.n, b.n) from b a, b where a.n >= 128 and b.n >= 48"
	}
	if longest == 3 { // all of them start with 0x8f
		sequences += " union all select char(143, a.n, b.n) from b a, b where a.n >= 160 and b.n >= 160"
	}
	rows, err := pool.Query("with recursive b(n) as (select 0 union all select n + 1 from b where n < 255) " +
		"select s, convert(convert(s using " + name + ") using utf8mb4) from (" + sequences + ") x")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var code, text sql.RawBytes
		if err := rows.Scan(&code, &text); err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 {
			each(code, string(text))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if longest == 4 {
		fourBytes(t, pool, name, each)
	}
}

// fourBytes asks for all 1.6 million codes of four bytes, 12,600 at a time.
func fourBytes(t *testing.T, pool *sql.DB, name string, each func(code []byte, text string)) {
	for lead := byte(0x81); lead < 0xff; lead++ {
		var codes []byte
		for b := byte('0'); b <= '9'; b++ {
			for c := byte(0x81); c < 0xff; c++ {
				for d := byte('0'); d <= '9'; d++ {
					codes = append(codes, lead, b, c, d)
				}
			}
		}
		var text string
		if err := pool.QueryRow("select convert(convert(x'" + hex.EncodeToString(codes) + "' using " + name + ") using utf8mb4)").Scan(&text); err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(text); n != len(codes)/4 {
			t.Fatalf("%d characters for %d codes of %x", n, len(codes)/4, lead)
		}
		for len(codes) > 0 {
			_, n := utf8.DecodeRuneInString(text)
			each(codes[:4], text[:n])
			codes, text = codes[4:], text[n:]
		}
	}
}

func compareCharset(t *testing.T, pool *sql.DB, name string, longest int) (seen int) {
	c := newCharset(name)
	var differ []string
	var avro []byte
	serverCodes(t, pool, name, longest, func(code []byte, text string) {
		seen++
		var ok bool
		avro, ok = c.append(avro[:0], code)
		got := string(avro[lenOfLong(avro):])
		if marked := strings.ReplaceAll(got, replacement, "?"); got != text && (ok || marked != text) {
			differ = append(differ, fmt.Sprintf("%x: %q, server %q", code, got, text))
		}
	})
	if seen < 128 {
		t.Errorf("%s: only %d codes seen", name, seen)
	}
	if len(differ) > 0 {
		t.Errorf("%s: %d of %d differ: %v", name, len(differ), seen, differ[:min(len(differ), 12)])
	}
	return seen
}

// writeCharsets is the inverse of findCharset, of what MySQL says: its answers
// tell well-formed codes from others.
func writeCharsets(t *testing.T) {
	pool, err := Server(t, servers.MySQLNew).Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	w := bufio.NewWriter(z)
	uint := func(u uint32) { _, _ = w.Write(binary.AppendUvarint(nil, uint64(u))) }
	int := func(r rune) { _, _ = w.Write(binary.AppendVarint(nil, int64(r))) }
	for _, c := range tabled {
		single, runs := askCharset(t, pool, c.name, c.longest)
		uint(uint32(len(c.name)))
		for _, b := range []byte(c.name) {
			uint(uint32(b))
		}
		last := rune(0)
		for _, r := range single {
			int(r - last)
			last = r
		}
		uint(uint32(len(runs)))
		var at run
		for _, r := range runs {
			uint(r.code - at.code - at.count)
			int(r.rune - at.rune)
			uint(r.count)
			at = r
		}
	}
	uint(0)
	if w.Flush() != nil || z.Close() != nil || os.WriteFile("charsets.bin.gz", out.Bytes(), 0o644) != nil {
		t.Fatal("cannot write charsets.bin.gz")
	}
	charsetTables, loaded.charsets = out.Bytes(), nil
	t.Logf("%d bytes", out.Len())
}

func askCharset(t *testing.T, pool *sql.DB, name string, longest int) (single [256]rune, runs []run) {
	for i := range single {
		single[i] = utf8.RuneError
	}
	serverCodes(t, pool, name, longest, func(code []byte, text string) {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case n != len(text): // two characters, of one byte each
			return
		case text == "?" && (len(code) > 1 || code[0] != '?'):
			r = utf8.RuneError
		}
		if len(code) == 1 {
			single[code[0]] = r
			return
		}
		runs = append(runs, run{code: codeOf(code, len(code)), rune: r, count: 1})
	})
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.code, b.code) })
	joined := runs[:0]
	for _, r := range runs {
		if n := len(joined); n > 0 {
			p := &joined[n-1]
			next := p.rune + rune(p.count)
			if p.rune == utf8.RuneError {
				next = p.rune
			}
			if r.code == p.code+p.count && r.rune == next && (r.rune != utf8.RuneError || p.rune == r.rune) {
				p.count++
				continue
			}
		}
		joined = append(joined, r)
	}
	return single, joined
}
