package mysql

import (
	"strings"

	"chartwire/cdc"
)

// queryKind is what a statement in the log means to a reader of rows.
type queryKind uint8

const (
	queryOther      queryKind = iota // nothing: GRANT, ANALYZE, CREATE INDEX…
	queryBegin                       // BEGIN
	queryXAStart                     // XA START
	queryCommit                      // COMMIT
	queryRollback                    // ROLLBACK
	querySave                        // SAVEPOINT
	queryBack                        // ROLLBACK TO SAVEPOINT
	queryXACommit                    // XA COMMIT of what was prepared before
	queryXARollback                  // XA ROLLBACK of what was prepared before
	queryRows                        // a statement that changed rows without logging them
	queryTable                       // a statement that changed tables: its effects say which
)

// effect is what a statement did to one table, or to all of a database.
type effect struct {
	table cdc.TableID // Name "" means every table of the database
	kind  effectKind
}

type effectKind uint8

const (
	effectAlter    effectKind = iota // its definition changed; rows are as they were, or read on
	effectTruncate                   // its rows are gone
	effectDrop                       // it is gone
	effectRename                     // other rows stand under its name, or none
	effectCreate                     // it is new
	effectPart                       // some of its rows are gone, or came, without being logged
)

// query is a classified statement.
type query struct {
	kind    queryKind
	name    string // of the savepoint or the XA transaction
	effects []effect
	// columns are those that an ALTER may have given other values, without an
	// event; "" stands for any.
	columns []string
}

// classify reads as much of a statement as decides what it does. It never
// fails: what it does not know is queryOther, because the meaning of rows never
// comes from here. database is the one that names without one belong to.
func classify(text, database string) query {
	s := scanner{text: text}
	word := s.keyword()
	for word == "SET" && s.accept("STATEMENT") { // MariaDB: some variables FOR a statement
		s.behindFor()
		word = s.keyword()
	}
	switch word {
	case "BEGIN":
		return query{kind: queryBegin}
	case "START":
		if s.accept("TRANSACTION") {
			return query{kind: queryBegin}
		}
	case "COMMIT":
		return query{kind: queryCommit}
	case "ROLLBACK":
		s.accept("WORK")
		if s.accept("TO") {
			s.accept("SAVEPOINT")
			return query{kind: queryBack, name: strings.ToLower(s.name())} // in whatever letters
		}
		return query{kind: queryRollback}
	case "SAVEPOINT":
		return query{kind: querySave, name: strings.ToLower(s.name())}
	case "XA":
		switch {
		case s.accept("START"), s.accept("BEGIN"):
			return query{kind: queryXAStart, name: s.xid()}
		case s.accept("COMMIT"):
			return query{kind: queryXACommit, name: s.xid()}
		case s.accept("ROLLBACK"):
			return query{kind: queryXARollback, name: s.xid()}
		}
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "MERGE", "WITH", "CALL", "HANDLER",
		"SELECT", "DO": // logged for what their functions do
		return query{kind: queryRows}
	case "TRUNCATE":
		s.accept("TABLE")
		return one(effectTruncate, s.table(database))
	case "REPAIR":
		return classifyRepair(&s, database)
	case "DROP":
		return classifyDrop(&s, database)
	case "RENAME":
		return classifyRename(&s, database)
	case "CREATE":
		return classifyCreate(&s, database)
	case "ALTER":
		return classifyAlter(&s, database)
	}
	return query{}
}

// lower gives tables the names that a server of lower-case names knows them by.
func (q *query) lower() {
	for i := range q.effects {
		t := &q.effects[i].table
		t.Database, t.Name = strings.ToLower(t.Database), strings.ToLower(t.Name)
	}
}

func one(kind effectKind, t cdc.TableID) query {
	if t.Name == "" {
		return query{}
	}
	return query{kind: queryTable, effects: []effect{{t, kind}}}
}

func classifyDrop(s *scanner, database string) query {
	if s.accept("DATABASE") || s.accept("SCHEMA") {
		s.ifExists()
		return query{kind: queryTable, effects: []effect{{cdc.TableID{Database: s.name()}, effectDrop}}}
	}
	if !s.accept("TABLE") && !s.accept("TABLES") {
		return query{} // TEMPORARY TABLE, VIEW, INDEX, …
	}
	s.ifExists()
	return list(s, database, effectDrop)
}

// classifyRepair takes a repair for what it is: what cannot be saved of a table
// is gone from it, and no event says so.
func classifyRepair(s *scanner, database string) query {
	for s.accept("LOCAL") || s.accept("NO_WRITE_TO_BINLOG") {
	}
	if !s.accept("TABLE") && !s.accept("TABLES") {
		return query{}
	}
	s.ifExists()
	return list(s, database, effectPart)
}

// list is what a statement does to each table of a list.
func list(s *scanner, database string, kind effectKind) query {
	q := query{kind: queryTable}
	for {
		t := s.table(database)
		if t.Name == "" {
			return q
		}
		q.effects = append(q.effects, effect{t, kind})
		if !s.punct(',') {
			return q
		}
	}
}

func classifyRename(s *scanner, database string) query {
	if !s.accept("TABLE") && !s.accept("TABLES") {
		return query{}
	}
	s.ifExists()
	q := query{kind: queryTable}
	for {
		from := s.table(database)
		s.waitOption()
		if !s.accept("TO") {
			return q
		}
		to := s.table(database)
		q.effects = append(q.effects, effect{from, effectRename}, effect{to, effectRename})
		if !s.punct(',') {
			return q
		}
	}
}

func classifyCreate(s *scanner, database string) query {
	kind := effectCreate
	if s.accept("OR") {
		s.accept("REPLACE")
		kind = effectDrop
	}
	if !s.accept("TABLE") {
		return query{}
	}
	s.ifExists()
	return one(kind, s.table(database))
}

func classifyAlter(s *scanner, database string) query {
	s.accept("ONLINE")
	ignore := s.accept("IGNORE")
	if !s.accept("TABLE") {
		return query{}
	}
	s.ifExists()
	t := s.table(database)
	if t.Name == "" {
		return query{}
	}
	q := one(effectAlter, t)
	if ignore { // rows that a new key finds twice are thrown away
		q.effects = append(q.effects, effect{t, effectPart})
	}
	s.waitOption()
	for !s.end() {
		switch word := s.keyword(); word {
		case "RENAME":
			if s.accept("COLUMN") {
				s.ifExists()
				s.name()
				s.accept("TO")
				q.columns = append(q.columns, s.name())
				break
			}
			if s.accept("INDEX") || s.accept("KEY") {
				break
			}
			if !s.accept("TO") && !s.accept("AS") {
				s.punct('=')
			}
			if to := s.table(database); to.Name != "" {
				q.effects = append(q.effects, effect{t, effectRename}, effect{to, effectRename})
			}
		case "ADD", "MODIFY", "CHANGE":
			q.columns = append(q.columns, defined(s, word)...)
		case "DROP", "TRUNCATE", "EXCHANGE", "DISCARD", "IMPORT", "CONVERT":
			switch {
			case s.accept("PARTITION"), s.accept("TABLESPACE"):
				q.effects = append(q.effects, effect{t, effectPart})
				if word == "EXCHANGE" || word == "CONVERT" {
					q.effects = append(q.effects, exchanged(s, database)...)
				}
			case word == "CONVERT" && s.accept("TABLE"): // it becomes a partition
				q.effects = append(q.effects, effect{t, effectPart}, effect{s.table(database), effectDrop})
			case word == "CONVERT" && s.accept("TO"): // another character set may not have every character
				q.columns = append(q.columns, "")
			}
		}
		s.clause()
	}
	return q
}

// notColumns are the words behind ADD that begin the definition of something else.
var notColumns = []string{"INDEX", "KEY", "UNIQUE", "PRIMARY", "CONSTRAINT", "FOREIGN", "FULLTEXT", "SPATIAL", "VECTOR", "CHECK", "PARTITION", "PERIOD", "SYSTEM"}

// defined is the column that a clause defines. Its rows may have another value
// behind it, even if it looks as before: one that went and came again has its
// default, and what a shorter type does not take is cut off.
func defined(s *scanner, word string) []string {
	if !s.accept("COLUMN") {
		for _, w := range notColumns {
			if s.accept(w) {
				return nil
			}
		}
	}
	s.ifExists()
	if s.space(); s.at < len(s.text) && s.text[s.at] == '(' {
		return []string{""}
	}
	name := s.name()
	if word == "CHANGE" {
		name = s.name()
	}
	return []string{name}
}

// exchanged is the table that gives its rows for a partition's.
func exchanged(s *scanner, database string) []effect {
	for !s.end() {
		if s.keyword() == "TABLE" {
			if t := s.table(database); t.Name != "" {
				return []effect{{t, effectPart}}
			}
			return nil
		}
	}
	return nil
}

// mentions says whether any of the names stands in the text as a word.
func mentions(text string, names map[string]bool) bool {
	s := scanner{text: text}
	for {
		w := s.word()
		if w == "" {
			return false
		}
		if names[strings.ToLower(w)] {
			return true
		}
	}
}

// emptied recognises what a server writes by itself when it finds a MEMORY
// table empty after a restart.
func emptied(text, database string) (cdc.TableID, bool) {
	s := scanner{text: text}
	if s.keyword() != "DELETE" || !s.accept("FROM") {
		return cdc.TableID{}, false
	}
	id := s.table(database)
	return id, s.end() && strings.Contains(text, "generated by server")
}
