package mysql

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chartwire/cdc"
	"chartwire/integration/faults"
)

// keyTables are tables with keys that do not grow, composite ones, and texts
// whose order is their collation's: each as DDL, and as the values of n rows.
func keyTables(n int) map[string][2]string {
	r := rand.New(rand.NewPCG(7, 7))
	random := rand.New(rand.NewPCG(8, 8)).Perm(100 * n)
	letters := []rune("aAbzZäÄöÖßéÉñÑoO ")
	row := func(f func(i int) string) string {
		seen := map[string]bool{}
		var rows []string
		for i := range n {
			if v := f(i); !seen[v] {
				seen[v] = true
				rows = append(rows, v)
			}
		}
		return strings.Join(rows, ",")
	}
	word := func(letters []rune) func(int) string {
		return func(int) string {
			w := make([]rune, 1+r.IntN(4))
			for i := range w {
				w[i] = letters[r.IntN(len(letters))]
			}
			return fmt.Sprintf("('%s')", string(w))
		}
	}
	out := map[string][2]string{
		"random":    {"id bigint unsigned primary key", row(func(i int) string { return fmt.Sprintf("(%d)", uint64(random[i])<<40) })},
		"composite": {"a int, b varchar(9), c date, primary key (b, c, a)", row(func(i int) string { return fmt.Sprintf("(%d,'%c','2026-01-%02d')", i, 'a'+i%3, 1+i%9) })},
		"decimal":   {"d decimal(9,3) primary key", row(func(i int) string { return fmt.Sprintf("(%d.%03d)", r.IntN(50)-25, i) })},
		"binary":    {"id binary(4) primary key", row(func(i int) string { return fmt.Sprintf("(x'%08x')", uint32(random[i])*2654435761) })},
		"backwards": {"id int primary key", row(func(i int) string { return fmt.Sprintf("(%d)", -random[i]) })},
	}
	some := func(f func() string) string { return row(func(int) string { return "(" + f() + ")" }) }
	out["float"] = [2]string{"f float primary key", "(3.4028234e38),(1e-40),(-0e0),(0.1)," + some(func() string { return fmt.Sprint(r.NormFloat64() * 1000) })}
	out["float digits"] = [2]string{"f float(9,3) primary key", some(func() string { return fmt.Sprintf("%.3f", r.NormFloat64()*100) })}
	out["double"] = [2]string{"f double primary key", "(1.7976931348623157e308),(5e-324),(16777217)," + some(func() string { return fmt.Sprint(r.NormFloat64() * 1e9) })}
	out["bit"] = [2]string{"b bit(64) primary key", "(18446744073709551615),(18446744073709551614)," + some(func() string { return fmt.Sprint(r.Uint64()) })}
	out["set"] = [2]string{"s set(" + labelList(64) + ") primary key", "(18446744073709551615),(18446744073709551614),(9007199254740992),(9007199254740993)," + some(func() string { return fmt.Sprint(r.Uint64()) })}
	out["enum"] = [2]string{"e enum('z','y','x','ü','w','v') character set latin1 collate latin1_bin, n int, primary key (e, n)", some(func() string { return fmt.Sprintf("%d,%d", r.IntN(7), r.IntN(99)) })}
	out["enum behind"] = [2]string{"n int, e enum('z','y','x','w','v'), primary key (n, e)", some(func() string { return fmt.Sprintf("%d,%d", r.IntN(9), 1+r.IntN(5)) })}
	out["year"] = [2]string{"y year, t time(3), primary key (y, t)", some(func() string { return fmt.Sprintf("%d,'-%d:00:01.%03d'", 1901+r.IntN(200), r.IntN(800), r.IntN(999)) })}
	out["datetime"] = [2]string{"d datetime(6) primary key", some(func() string {
		return fmt.Sprintf("'2026-01-%02d 01:02:%02d.%06d'", 1+r.IntN(28), r.IntN(60), r.IntN(1e6))
	})}
	for name, charset := range map[string]string{"swedish": "latin1 collate latin1_swedish_ci", "german": "latin1 collate latin1_german2_ci", "general": "utf8mb4 collate utf8mb4_general_ci",
		"unicode": "utf8mb4 collate utf8mb4_unicode_ci", "bin": "utf8mb4 collate utf8mb4_bin", "ucs": "ucs2 collate ucs2_general_ci", "cyrillic": "cp1251 collate cp1251_general_ci", "sjis": "sjis collate sjis_japanese_ci"} {
		l := letters
		switch name {
		case "cyrillic":
			l = []rune("абвАБВяЯёЁz")
		case "sjis":
			l = []rune("あいうア漢字zZ")
		}
		out[name] = [2]string{"name varchar(9) character set " + charset + " primary key", row(word(l))}
	}
	return out
}

// flavorKeys are those of one server.
func flavorKeys(flavor string, n int) map[string][2]string {
	var spaced, ids, sixes []string
	for i := range n {
		spaced = append(spaced, fmt.Sprintf("('%c%s%c')", 'a'+i%26, strings.Repeat(" ", i/26%4), " b"[i/104%2]))
		ids = append(ids, fmt.Sprintf("('%08x-%04x-%x000-8000-%012x')", uint32(i)*2654435761, i*7919%65536, 1+i%8, i*104729))
		sixes = append(sixes, fmt.Sprintf("('%x::%x')", 1+i*7919%65536, i*31%65536))
	}
	nopad := "utf8mb4_0900_ai_ci"
	if flavor == "mariadb" {
		nopad = "utf8mb4_unicode_nopad_ci"
	}
	out := map[string][2]string{"nopad": {"w varchar(9) character set utf8mb4 collate " + nopad + " primary key", strings.Join(spaced, ",")}}
	if flavor == "mariadb" {
		out["short year"] = [2]string{"y year(2) primary key", years()}
		out["uuid"] = [2]string{"u uuid primary key", strings.Join(ids, ",")}
		out["inet"] = [2]string{"a inet6, b inet4 default '127.0.0.1', primary key (b, a)", strings.ReplaceAll(strings.Join(sixes, ","), ")", ",default)")}
	}
	return out
}

// years are all that a YEAR has.
func years() string {
	rows := []string{"(0)"}
	for y := 1901; y <= 2155; y++ {
		rows = append(rows, fmt.Sprintf("(%d)", y))
	}
	return strings.Join(rows, ",")
}

// Every row is read exactly once, whatever the order of its key is, by one worker
// and by several.
func TestSnapshotKeys(t *testing.T) {
	faults.Shows(t, "snapshot-keys", "compares texts as their collation sorts them; every row once, by one worker and by three")
	faults.Shows(t, "snapshot-slow", "reads parts of one table with several workers")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, "")
		want := map[string]int{}
		tables := keyTables(300)
		maps.Copy(tables, flavorKeys(k.flavor.Name, 300))
		for i, name := range slices.Sorted(maps.Keys(tables)) {
			table, engine := tables[name], []string{"InnoDB", "MyISAM"}[i%2]
			name = "k_" + strings.ReplaceAll(name, " ", "_")
			r.exec("create table " + name + " (" + table[0] + ") engine=" + engine + "; insert ignore into " + name + " values " + table[1])
			r.cfg.Selections = append(r.cfg.Selections, cdc.Selection{Table: r.id(name)})
			var n int
			if err := r.sql.QueryRow("select count(*) from " + name).Scan(&n); err != nil || n < 40 {
				t.Fatalf("%s: %d rows, %v", name, n, err)
			}
			want[name] = n
		}
		for _, workers := range []int{1, 3} {
			r.cfg.Snapshot = Snapshot{ChunkRows: 7, Workers: workers}
			p := r.tap(cdc.Resume{})
			got := map[string][]string{}
			for _, line := range p.loaded() {
				_, line, _ = strings.Cut(line, " ")
				name, key, _ := strings.Cut(line, " ")
				got[name] = append(got[name], key)
			}
			p.stop()
			for name, n := range want {
				slices.Sort(got[name])
				if distinct := len(slices.Compact(slices.Clone(got[name]))); distinct != n || len(got[name]) != n {
					t.Errorf("%d workers, %s: %d rows came, %d of them different, and the table has %d", workers, name, len(got[name]), distinct, n)
				}
			}
		}
	})
}

// Killed at any chunk, again and again, several workers go on at the chunk: each
// row is taken once. When all is read, no start reads anything again.
func TestSnapshotKilled(t *testing.T) {
	faults.Shows(t, "snapshot-restart", "goes on at the chunk with several workers, however often it is killed: each row is taken once")
	faults.Shows(t, "snapshot-again", "reads nothing again, however often it is started")
	each(t, func(t *testing.T, k kind) {
		r := newRig(t, k, people+"InnoDB; create table words (w varchar(9) character set latin1 primary key) engine=MyISAM", "people", "words")
		fill(r, "people", 150)
		for i := range 60 {
			r.exec(fmt.Sprintf("insert into words values ('%c%d')", []rune("aZäÖz")[i%5], i*7919%100))
		}
		r.cfg.Snapshot = Snapshot{ChunkRows: 7, Workers: 3}
		rng := rand.New(rand.NewPCG(3, 4))
		taken, resume, done, starts := map[string]int{}, cdc.Resume{}, 0, 0
		for done < 3 {
			if starts++; starts > 200 {
				t.Fatalf("it does not come to its end: %+v", resume.Loads)
			}
			p := r.tap(resume)
			for range 1 + rng.IntN(5) {
				txn := <-p.txns
				if txn == nil {
					t.Fatal(p.err)
				}
				p.note(txn)
				for _, line := range show(t, txn) {
					taken[line]++
				}
			}
			resume = p.resume()
			p.stop()
			if p.loads[r.id("people")].Phase == cdc.LoadDone && p.loads[r.id("words")].Phase == cdc.LoadDone {
				done++
			}
		}
		for line, n := range taken {
			if n != 1 {
				t.Errorf("%d times: %s", n, line)
			}
		}
		if len(taken) != 210 {
			t.Errorf("%d rows came in %d starts, not 210", len(taken), starts)
		}
	})
}
