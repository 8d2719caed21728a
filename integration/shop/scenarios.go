package shop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed testdata/binlog-scenarios.tgz
var recorded []byte

// Scenario is what one business act wrote.
type Scenario struct {
	Number int
	Name   string
	Txns   []Txn
}

// Switched is the first scenario of the legacy part: up to it the HPOS tables
// are the authority over orders.
const Switched = 48

// Last is the last scenario.
const Last = 55

// Installed is the last of the scenarios that are no traffic: WordPress and
// WooCommerce make their tables.
const Installed = 2

// Scenarios reads the recorded scenarios from first to last.
func Scenarios(first, last int) ([]Scenario, error) {
	files, err := unpack()
	if err != nil {
		return nil, fmt.Errorf("unpacking the recorded scenarios: %w", err)
	}
	names := map[string]string{}
	for line := range strings.Lines(string(files["phases.tsv"])) {
		file, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names[file] = name
	}
	var out []Scenario
	for file, content := range files {
		number, err := strconv.Atoi(strings.TrimPrefix(path.Ext(file), "."))
		if err != nil || number < first || number > last {
			continue
		}
		s := Scenario{Number: number, Name: names[file]}
		if s.Txns, err = read(content); err != nil {
			return nil, fmt.Errorf("reading scenario %d: %w", number, err)
		}
		for i := range s.Txns {
			s.Txns[i].Scenario = number
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Scenario) int { return a.Number - b.Number })
	return out, nil
}

func unpack() (map[string][]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(recorded))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if files[path.Base(h.Name)], err = io.ReadAll(t); err != nil {
			return nil, err
		}
	}
}

// Split takes the statements that make tables out of the scenarios: a shop that
// is being replayed has its tables first, so that Chartwire can watch all rows.
func Split(list []Scenario) (ddl []string, rows []Scenario) {
	for _, s := range list {
		r := s
		r.Txns = nil
		for _, t := range s.Txns {
			if t.DDL != "" {
				ddl = append(ddl, t.DDL)
			} else {
				r.Txns = append(r.Txns, t)
			}
		}
		rows = append(rows, r)
	}
	return ddl, rows
}

// tableDDL reports whether a recorded statement makes or alters a table.
func tableDDL(text string) bool {
	return strings.HasPrefix(text, "CREATE TABLE") || strings.HasPrefix(text, "ALTER TABLE")
}

// Deliverable gives the recorded people addresses that HubSpot takes: it looks
// at the end of a domain, and theirs is .test. Lengths inside serialised values
// are wrong afterwards; nothing reads those.
func Deliverable(list []Scenario) []Scenario {
	for _, s := range list {
		for i := range s.Txns {
			for k := range s.Txns[i].Changes {
				c := &s.Txns[i].Changes[k]
				for _, row := range [][]Value{c.Before, c.After} {
					for n := range row {
						row[n].Text = strings.ReplaceAll(row[n].Text, "@example.test", "@example.com")
					}
				}
			}
		}
	}
	return list
}
