package mysql

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// textTypes are the types with a character set, in every collation of the
// server; n says how many collations those are.
func textTypes(t *testing.T, r *rig) (c []latticeColumn, n int) {
	from := "select collation_name, character_set_name from information_schema.collations where character_set_name <> 'binary' and id is not null"
	if r.db.Flavor.Name == "mariadb" {
		from = "select full_collation_name, character_set_name from information_schema.collation_character_set_applicability where character_set_name <> 'binary' and id is not null"
	}
	rows, err := r.sql.Query(from + " order by 2, 1")
	must(t, err)
	defer rows.Close()
	letters := map[string][2]string{}
	for rows.Next() {
		var collation, charset string
		must(t, rows.Scan(&collation, &charset))
		l, ok := letters[charset]
		if !ok {
			l = sampleLetters(t, r, charset)
			letters[charset] = l
		}
		in := fmt.Sprintf(" character set %s collate %s", charset, collation)
		values := quoted("", "plain", "tail  ", l[0], l[0]+l[1], "a"+l[1]+"\t\\'", "x"+l[0])
		labels := "('plain', " + text("x"+l[0]) + ", " + text(l[1]+"y") + ")"
		c = append(c, column("char(9)"+in, values...), column("varchar(9)"+in, values...), column("text"+in, values...),
			column("enum"+labels+in, "0", "1", "2", "3"), column("set"+labels+in, "0", "1", "2", "5", "6", "7"))
		n++
	}
	must(t, rows.Err())
	return c, n
}

// sampleLetters are two letters of a character set, not of ASCII if it has such.
func sampleLetters(t *testing.T, r *rig, charset string) [2]string {
	switch charset {
	case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
		return [2]string{"é日", "😀"}
	case "utf8mb3", "ucs2", "ujis", "eucjpms":
		return [2]string{"é日", "ア"}
	case "big5", "gbk", "gb2312", "euckr", "sjis", "cp932":
		return [2]string{"日", "本"}
	}
	var all *string
	must(t, r.sql.QueryRow("select convert(convert("+everyByte(charset)+" using "+charset+") using utf8mb4)").Scan(&all))
	var found []string
	for _, c := range *all {
		if unicode.IsLetter(c) && c >= 0x80 {
			found = append(found, string(c))
		}
	}
	if len(found) < 2 {
		return [2]string{"o", "u"}
	}
	return [2]string{found[0], found[len(found)/2]}
}

// everyByte is all bytes that a character set of single bytes may have.
func everyByte(charset string) string {
	n := 256
	if charset == "ascii" {
		n = 128
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return "x'" + hex.EncodeToString(b) + "'"
}

// repertoires are columns with every character of every character set, in the
// types whose lengths take 1 to 4 bytes.
func repertoires(t *testing.T, r *rig) (c []latticeColumn) {
	rows, err := r.sql.Query("select character_set_name, maxlen from information_schema.character_sets where character_set_name <> 'binary' order by 1")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var charset string
		var longest int
		must(t, rows.Scan(&charset, &longest))
		in := " character set " + charset
		if longest == 1 {
			all := "convert(" + everyByte(charset) + " using " + charset + ")"
			c = append(c, column("char(255)"+in, all), column("varchar(256)"+in, all), column("text"+in, all), column("mediumtext"+in, all), column("longtext"+in, all))
			continue
		}
		last := rune(0xffff)
		switch charset {
		case "utf8mb4", "utf16", "utf16le", "utf32", "gb18030":
			last = 0x2ffff
		}
		c = append(c, column("longtext"+in, blocks(1, last)...))
		if last > 0xffff {
			c = append(c, column("text"+in, blocks(unicode.MaxRune-0x1fff, unicode.MaxRune)...))
		}
		c = append(c, column("tinytext"+in, "repeat('日', 60)", "''"), column("varchar(3000)"+in, "repeat('日', 3000)", "'a'"), column("char(255)"+in, "repeat('日', 255)", "'a'"))
	}
	must(t, rows.Err())
	return c
}

// blocks are the characters of a range as SQL, some thousands in each; what a
// character set lacks the server stores as "?".
func blocks(first, last rune) (values []string) {
	var b strings.Builder
	for r := first; r <= last; r++ {
		if r < 0xd800 || r > 0xdfff {
			b.WriteRune(r)
		}
		if r == last || r%8192 == 8191 {
			values = append(values, "convert(x'"+hex.EncodeToString([]byte(b.String()))+"' using utf8mb4)")
			b.Reset()
		}
	}
	return values
}
