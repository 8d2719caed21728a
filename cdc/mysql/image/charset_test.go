package image

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"chartwire/integration/faults"
	"chartwire/integration/servers"
)

// TestCharsetsAgainstServers holds every character of every character set
// equal to what the servers make of it.
func TestCharsetsAgainstServers(t *testing.T) {
	faults.Shows(t, "charset", "is the text that the server converts it to")
	for _, f := range Flavors() {
		t.Run(Name(f), func(t *testing.T) {
			db := Server(t, f)
			compareCollations(t, db)
			for _, name := range charsetNames() {
				if f.Name == "mariadb" && name == "gb18030" {
					continue // MariaDB does not have it
				}
				compareCharset(t, db, name)
			}
		})
	}
}

// compareCollations asks the server for the character set of every collation.
func compareCollations(t *testing.T, db *servers.DB) {
	pool, err := db.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	from := "collations"
	if db.Flavor.Name == "mariadb" { // its other table has one name for several character sets
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
		n++
	}
	if n < 250 {
		t.Errorf("only %d collations seen", n)
	}
}

func charsetNames() (names []string) {
	for n := range singleByte {
		names = append(names, n)
	}
	for n := range multiByte {
		names = append(names, n)
	}
	return names
}

func compareCharset(t *testing.T, db *servers.DB, name string) {
	pool, err := db.Open("")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.Query(`with recursive b(n) as (select 0 union all select n + 1 from b where n < 255)
		select hex(x.s), hex(convert(convert(x.s using ` + name + `) using utf8mb4)) from (
		select char(h.n) s from b h union all
		select concat(char(h.n), char(l.n)) from b h, b l where h.n >= 128 and l.n >= 48 and '` + fmt.Sprint(multiByte[name] != nil) + `' = 'true') x`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	c := newCharset(name)
	seen, differ := 0, []string{}
	for rows.Next() {
		var in string
		var out *string
		if err := rows.Scan(&in, &out); err != nil {
			t.Fatal(err)
		}
		b, _ := hex.DecodeString(in)
		if out == nil || strings.Contains(*out, "3F") && in != "3F" {
			continue // no character there: ours may say U+FFFD where the server says "?"
		}
		avro, _ := c.append(nil, b)
		seen++
		if got := strings.ToUpper(hex.EncodeToString(avro[lenOfLong(avro):])); got != *out {
			differ = append(differ, fmt.Sprintf("%s: %s, server %s", in, got, *out))
		}
	}
	if seen < 128 {
		t.Errorf("%s: only %d characters seen", name, seen)
	}
	if len(differ) > 0 {
		t.Errorf("%s: %d of %d differ: %v", name, len(differ), seen, differ[:min(len(differ), 12)])
	}
}
