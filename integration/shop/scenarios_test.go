package shop

import (
	"encoding/csv"
	"fmt"
	"os"
	"testing"
)

// TestEveryRecordedRowIsRead counts the rows of each scenario, table and
// operation against what was counted when they were recorded.
func TestEveryRecordedRowIsRead(t *testing.T) {
	list, err := Scenarios(1, Last)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, s := range list {
		for _, txn := range s.Txns {
			for _, c := range txn.Changes {
				op := "UPDATE"
				if c.Before == nil {
					op = "INSERT"
				} else if c.After == nil {
					op = "DELETE"
				}
				got[fmt.Sprintf("%d %s %s", s.Number, c.Table.Name, op)]++
			}
		}
	}
	f, err := os.Open("testdata/binlog-row-counts.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, l := range lines[1:] {
		var file, rows int
		fmt.Sscanf(l[0], "woo-bin.%d", &file)
		fmt.Sscan(l[7], &rows)
		if file > Last || rows == 0 {
			continue
		}
		n++
		if key := fmt.Sprintf("%d %s %s", file, l[5], l[6]); got[key] != rows {
			t.Errorf("scenario %s: %d rows read, %d recorded", key, got[key], rows)
		}
	}
	if n < 500 || len(got) < n-60 {
		t.Fatalf("%d lines compared with %d groups of rows", n, len(got))
	}
}
