package mysql

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
)

// tables looks at every selected table.
func (k *check) tables() error {
	for i := range k.s.cfg.Selections {
		if err := k.table(&k.s.cfg.Selections[i]); err != nil {
			return err
		}
	}
	return nil
}

func (k *check) table(sel *cdc.Selection) error {
	id := sel.Table
	name := ident(id.Database) + "." + ident(id.Name)
	if h := misnamed(k.v, id); h != nil {
		k.problem(h.Code, h.Text, "write its name in lower case in the field map")
		return nil
	}
	switch _, err := k.c.query("SELECT 1 FROM " + name + " LIMIT 0"); serverCode(err) {
	case 0:
		if err != nil {
			return fmt.Errorf("looking at %s: %w", id, err)
		}
	case 1146, 1049:
		k.problem("table-missing", id.String()+" does not exist", "correct its name in the field map, or create it")
		return nil
	case 1044, 1045, 1142, 1143, 1227: // access denied, to a database, a table, a column
		k.problem("grant-missing", "the user may not read "+id.String(), "GRANT SELECT ON "+name+" TO "+text(k.s.cfg.User)+"@'%';")
		return nil
	default:
		k.problem("table-unreadable", fmt.Sprintf("%s cannot be read: the server says %d", id, serverCode(err)), "CHECK TABLE "+name+"; -- and mend what it says")
		return nil
	}
	info, err := describeTable(k.c, k.s.cfg.Name, k.v.maria, id)
	if errors.Is(err, errNoTable) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.view {
		k.problem(HaltTable, id.String()+" is a view, and views have no changes in the log", "select the tables behind it")
		return nil
	}
	if info.versioned {
		k.problem(HaltVersioned, id.String()+" keeps its history in itself, and history rows cannot be told from rows yet", "ALTER TABLE "+name+" DROP SYSTEM VERSIONING;")
	}
	k.columns(sel, info)
	if err := k.generated(sel); err != nil {
		return err
	}
	k.engine(id, name, info.engine)
	return k.cascades(id)
}

// columns looks at the key, and at what the encoder makes of the columns.
func (k *check) columns(sel *cdc.Selection, info *tableInfo) {
	id := sel.Table
	name := ident(id.Database) + "." + ident(id.Name)
	if len(info.meta.Key) == 0 {
		k.problem(image.HaltNoKey, id.String()+" has no primary key, so its rows cannot be told apart", "ALTER TABLE "+name+" ADD id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY;")
		return
	}
	info.meta.Dates = k.s.cfg.Dates[id]
	for column := range info.meta.Dates {
		if !slices.ContainsFunc(info.meta.Columns, func(c image.ColumnMeta) bool { return c.Name == column }) {
			k.problem("column-missing", fmt.Sprintf("%s has no column %s, of which the source's dates speak", id, column), "take it out of the dates")
		}
	}
	enc, err := image.Compile(info.meta, sel.Columns)
	var halt *cdc.Halt
	switch {
	case errors.As(err, &halt):
		k.problem(halt.Code, halt.Text, "")
		return
	case err != nil:
		k.problem("table-unreadable", err.Error(), "")
		return
	}
	for _, missing := range enc.Missing() {
		k.problem("column-missing", fmt.Sprintf("%s has no column %s, which a field map reads", id, missing), "correct the field map, or ALTER TABLE "+name+" ADD "+ident(missing)+" …;")
	}
}

// generatedLeftOut is the version of MariaDB from which on the images of updates
// and deletes lack generated columns, whatever binlog_row_image says.
const generatedLeftOut = 110000

// generated finds selected columns that no update will have.
func (k *check) generated(sel *cdc.Selection) error {
	if !k.v.maria || versionNumber(k.v.version) < generatedLeftOut {
		return nil
	}
	id := sel.Table
	r, err := k.c.query("SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = " + text(id.Database) + " AND TABLE_NAME = " + text(id.Name) + " AND IS_GENERATED = 'ALWAYS'")
	if err != nil {
		return fmt.Errorf("looking for generated columns of %s: %w", id, err)
	}
	for _, row := range r {
		if sel.Columns == nil || slices.Contains(sel.Columns, row[0]) {
			k.problem(image.HaltPartial, fmt.Sprintf("%s: the column %s is generated, and MariaDB %s leaves it out of the images of updates: the first one stops the capture", id, row[0], k.v.version),
				"take it out of the field maps and compute it there; or make it a plain column that a trigger fills")
		}
	}
	return nil
}

func (k *check) engine(id cdc.TableID, name, engine string) {
	switch strings.ToLower(engine) {
	case "innodb":
	case "myisam", "aria":
		k.warning("engine", fmt.Sprintf("%s is %s: each statement is a transaction of its own, and a crash of the server may lose or keep changes that the log has otherwise", id, engine),
			"ALTER TABLE "+name+" ENGINE=InnoDB; -- where its program allows it")
	case "memory", "blackhole", "federated":
		k.problem("engine", fmt.Sprintf("%s is %s: its rows come and go without being logged", id, engine), "ALTER TABLE "+name+" ENGINE=InnoDB;")
	default:
		k.warning("engine", fmt.Sprintf("%s is %s, an engine that was not tried", id, engine), "ALTER TABLE "+name+" ENGINE=InnoDB;")
	}
}

// cascadesLogged is the version of MySQL from which on the rows that a foreign
// key deletes or changes are logged like any other.
const cascadesLogged = 90600

// cascades finds foreign keys that change rows of the table inside the engine,
// where nothing is logged.
func (k *check) cascades(id cdc.TableID) error {
	if !k.v.maria && versionNumber(k.v.version) >= cascadesLogged {
		return nil
	}
	r, err := k.c.query("SELECT CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = " +
		text(id.Database) + " AND TABLE_NAME = " + text(id.Name) +
		" AND (DELETE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR UPDATE_RULE IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))")
	if err != nil {
		return fmt.Errorf("looking at the foreign keys of %s: %w", id, err)
	}
	for _, row := range r {
		k.problem("foreign-key-cascade", fmt.Sprintf("%s: the foreign key %s (ON DELETE %s, ON UPDATE %s) changes its rows inside the engine, and the log does not say so",
			id, row[0], row[1], row[2]), "ALTER TABLE "+ident(id.Database)+"."+ident(id.Name)+" DROP FOREIGN KEY "+ident(row[0])+"; -- add it again with RESTRICT, and let the program delete the rows")
	}
	return nil
}
