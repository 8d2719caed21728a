package image_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"chartwire/cdc/mysql/image"
	"chartwire/integration/servers"
	"chartwire/schemas"

	"github.com/go-mysql-org/go-mysql/replication"
)

var update = flag.Bool("update", false, "record testdata/reference.binlog anew from MariaDB")

// referenceTable is the 24-column row that speed is measured with.
const referenceTable = `create database reference; use reference; set time_zone='+00:00';
create table patients (
 id bigint unsigned not null primary key, clinic int not null, first_name varchar(50), last_name varchar(50),
 email varchar(100), phone varchar(20), street varchar(100), city varchar(50), state char(2), zip varchar(10),
 birth_date date, gender enum('female','male','other'), status tinyint not null, balance decimal(12,2),
 visits int unsigned, weight decimal(6,2), bmi double, last_visit datetime, next_visit datetime(3),
 created timestamp null, updated timestamp(6) null, flags set('vip','minor','deceased'), note text, active tinyint(1)
) charset utf8mb4;`

// TestReferenceRecorded records the reference rows with -update.
func TestReferenceRecorded(t *testing.T) {
	if !*update {
		r := loadReference(t)
		if n := len(r.images[0].image); n != 269 {
			t.Errorf("the reference row has %d bytes, not 269", n)
		}
		return
	}
	db := servers.MariaDB(t)
	var rows []string
	for i := range 200 {
		rows = append(rows, fmt.Sprintf(`(%d, 7, 'Johanna', 'Beispielhuber', 'johanna.beispielhuber.%03d@example.com', '+43 660 1234567',
 '12 Example Street, Apartment 4', 'Salzburg', 'OR', '97201-1234', '1980-02-29', 'female', 2, 1234.56, 17, 82.50, 24.7,
 '2026-01-02 03:04:05', '2026-07-08 09:10:11.125', '2020-01-01 00:00:00', '2026-01-02 03:04:05.123456', 'vip',
 'prefers calls in the afternoon; allergic to penicillin; %s', 1)`, 1000000+i, i, "speaks German"))
	}
	if err := db.Exec(referenceTable + "insert into patients values " + strings.Join(rows, ",")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(currentLog(t, connect(t, db)))
	if err != nil {
		t.Fatal(err)
	}
	var keep []byte
	for ev := range events(b[4:]) {
		switch replication.EventType(ev[4]) {
		case replication.FORMAT_DESCRIPTION_EVENT, replication.TABLE_MAP_EVENT, replication.WRITE_ROWS_EVENTv1:
			keep = append(keep, ev...)
		}
	}
	if err := os.WriteFile("testdata/reference.binlog", keep, 0o644); err != nil {
		t.Fatal(err)
	}
}

// events splits a log, without its magic number, into events.
func events(b []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) >= 19 {
			n := int(binary.LittleEndian.Uint32(b[9:]))
			if !yield(b[:n:n]) {
				return
			}
			b = b[n:]
		}
	}
}

type reference struct {
	head   [][]byte // what the parser must have seen
	rows   [][]byte // the rows events
	images []rowImage
}

func loadReference(t testing.TB) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.binlog")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	p := replication.NewBinlogParser()
	p.SetFlavor("mariadb")
	p.SetRowsEventDecodeFunc(func(e *replication.RowsEvent, data []byte) error {
		pos, err := e.DecodeHeader(data)
		if err != nil {
			return err
		}
		meta := metaOf(e.Table, true)
		enc, err := image.Compile(&meta, nil)
		if err != nil {
			return err
		}
		for rest := data[pos:]; len(rest) > 0; {
			img := rest
			if _, rest, err = enc.Append(nil, rest, e.ColumnBitmap1); err != nil {
				return err
			}
			r.images = append(r.images, rowImage{meta, img[:len(img)-len(rest)], e.ColumnBitmap1})
		}
		return nil
	})
	for ev := range events(b) {
		if _, err := p.Parse(ev); err != nil {
			t.Fatal(err)
		}
		if replication.EventType(ev[4]) == replication.WRITE_ROWS_EVENTv1 {
			r.rows = append(r.rows, ev)
		} else {
			r.head = append(r.head, ev)
		}
	}
	return r
}

// BenchmarkRowImage compares our encoder with the other library's decoder on
// the same rows. The two take turns and the best turn of each counts, so that
// what else the machine does changes the times but hardly the ratio; a turn is
// long enough to hold the garbage collections that it causes.
func BenchmarkRowImage(b *testing.B) {
	r := loadReference(b)
	enc, err := image.Compile(&r.images[0].meta, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := replication.NewBinlogParser()
	p.SetFlavor("mariadb")
	both := slices.Concat(r.head, r.rows) // the head each time: the parser forgets tables at a statement's end
	const passes = 40
	var dst []byte
	ours, theirs := time.Hour, time.Hour
	for b.Loop() {
		start := time.Now()
		for range passes {
			for i := range r.images {
				if dst, _, err = enc.Append(dst[:0], r.images[i].image, r.images[i].present); err != nil {
					b.Fatal(err)
				}
			}
		}
		turn := time.Now()
		for range passes {
			for _, ev := range both {
				if _, err := p.Parse(ev); err != nil {
					b.Fatal(err)
				}
			}
		}
		ours, theirs = min(ours, turn.Sub(start)), min(theirs, time.Since(turn))
	}
	n := float64(passes * len(r.images))
	b.ReportMetric(float64(ours.Nanoseconds())/n, "ns/row")
	b.ReportMetric(float64(theirs.Nanoseconds())/n, "go-mysql-ns/row")
	b.ReportMetric(float64(theirs)/float64(ours), "x")
}

// BenchmarkRead finds the 24 columns of the reference row.
func BenchmarkRead(b *testing.B) {
	r := loadReference(b)
	enc, err := image.Compile(&r.images[0].meta, nil)
	if err != nil {
		b.Fatal(err)
	}
	row, _, err := enc.Append(nil, r.images[0].image, r.images[0].present)
	if err != nil {
		b.Fatal(err)
	}
	s, err := schemas.NewRowSchema(enc.Table())
	if err != nil {
		b.Fatal(err)
	}
	var f schemas.Fields
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Read(s, row); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRowImageAllocatesNothing holds the promise of the package comment.
func TestRowImageAllocatesNothing(t *testing.T) {
	r := loadReference(t)
	enc, err := image.Compile(&r.images[0].meta, nil)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err = enc.Append(dst, r.images[0].image, r.images[0].present); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
}
