package soak

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// writer changes the tables of a run. Every statement has a tag of its own,
// which the rows that it writes carry.
type writer struct {
	run  *run
	d    *rand.Rand
	conn *sql.Conn
	// pending are the tags of the open transaction that a rollback takes back.
	pending map[int64]int64
	whole   bool  // on tables with transactions only
	changed int64 // rows, by the transaction at hand
}

// write does transactions until enough is closed, and a number at least.
func (r *run) write(ctx context.Context, d *rand.Rand, least int, enough <-chan struct{}) error {
	w := &writer{run: r, d: d}
	defer w.close()
	for n := 0; ctx.Err() == nil; n++ {
		select {
		case <-enough:
			if n >= least {
				return nil
			}
		default:
		}
		if err := w.transaction(ctx); err != nil {
			return err
		}
		time.Sleep(time.Duration(d.IntN(int(r.rest))))
	}
	return nil
}

// transaction does one, and takes back what is left of one that failed.
func (w *writer) transaction(ctx context.Context) error {
	w.run.writing.RLock()
	defer w.run.writing.RUnlock()
	if err := w.connected(ctx); err != nil || w.conn == nil {
		return err
	}
	w.pending = map[int64]int64{}
	err := w.step(ctx)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	w.unsure()
	if !expected(err) {
		return fmt.Errorf("writing: %w", err)
	}
	if w.exec(ctx, "rollback") != nil {
		_ = w.conn.Raw(func(any) error { return driver.ErrBadConn }) // nobody gets it again
		w.close()
	}
	return nil
}

func (w *writer) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// connected waits for a server that restarts.
func (w *writer) connected(ctx context.Context) error {
	for began := time.Now(); w.conn == nil; {
		conn, err := w.run.pool().Conn(ctx)
		if err == nil {
			if _, err = conn.ExecContext(ctx, "set sql_mode='', time_zone='+00:00', innodb_lock_wait_timeout=2, lock_wait_timeout=5"); err == nil {
				w.conn = conn
				return nil
			}
			_ = conn.Close()
		}
		if time.Since(began) > patience {
			return fmt.Errorf("the server does not come back: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(30 * time.Millisecond):
		}
	}
	return nil
}

// expected errors are those of writers that meet each other, DDL, restarts and kills.
func expected(err error) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return true // the connection broke
	}
	switch e.Number {
	case 1785, 1399, 1397, 1402, 1613, 1614, 1054, 1060, 1091, 1136, 1146, 1050, 1051, 1062, 1205, 1213, 1412, 1317, 1053, 1927, 1290, 1836, 4031, 1265, 1020,
		126, 127, 145, 1034, 1194, 1195: // MyISAM's, from a kill until it is repaired
		return true
	}
	return false
}

func (w *writer) step(ctx context.Context) error {
	if w.d.IntN(15) == 0 && w.run.ddls.Add(1) <= w.run.maxDDL {
		return w.ddl(ctx)
	}
	if w.d.IntN(3) > 0 {
		return w.statement(ctx, true)
	}
	// A replica applies what is prepared under gap locks that its source did not
	// need, and then waits for itself.
	if w.run.server.replica == nil && w.d.IntN(6) == 0 {
		return w.xa(ctx)
	}
	if err := w.exec(ctx, "start transaction"); err != nil {
		return err
	}
	for range 1 + w.d.IntN(6) {
		if err := w.statement(ctx, false); err != nil {
			return err
		}
		if w.d.IntN(8) == 0 {
			if err := w.savepoint(ctx); err != nil {
				return err
			}
		}
	}
	if w.d.IntN(8) == 0 {
		w.run.world.counts.add("rollbacks", 1)
		return w.exec(ctx, "rollback") // pending tags were never there
	}
	if err := w.exec(ctx, "commit"); err != nil {
		return err
	}
	w.sure()
	return nil
}

// xa is a transaction of two phases, on the tables that have them. Its name says
// how it is to end: one whose second phase did not come ends so when the run does,
// as its coordinator would repeat what it decided. MariaDB that is killed amid a
// second phase has it in the log and the transaction prepared. Nothing is not
// prepared: MariaDB would log it after the engine has it, and a kill in between
// leaves what a capture that starts later has to halt at.
func (w *writer) xa(ctx context.Context) error {
	w.whole = true
	defer func() { w.whole = false }()
	if !slices.ContainsFunc(w.run.tables, func(t *table) bool { return t.engine == "InnoDB" }) {
		return nil
	}
	how := []string{"commit", "commit", "rollback"}[w.d.IntN(3)]
	id := fmt.Sprintf("'%s-%d-%s'", w.run.name, w.run.tags.Add(1), how)
	if err := w.exec(ctx, "xa start "+id); err != nil {
		return err
	}
	w.changed = 0
	for range 1 + w.d.IntN(3) {
		if err := w.statement(ctx, false); err != nil {
			return err
		}
	}
	if err := w.exec(ctx, "xa end "+id); err != nil {
		return err
	}
	if w.changed == 0 {
		return w.exec(ctx, "xa rollback "+id)
	}
	if err := w.exec(ctx, "xa prepare "+id); err != nil {
		return err
	}
	time.Sleep(time.Duration(w.d.IntN(int(w.run.rest))))
	if err := w.exec(ctx, "xa "+how+" "+id); err != nil {
		return err
	}
	w.run.world.counts.add("XA", 1)
	if how == "commit" {
		w.sure()
	}
	return nil
}

// settle ends the transactions that are still prepared.
func (r *run) settle() error {
	rows, err := r.pool().Query("xa recover")
	if err != nil {
		return err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var format, a, b int
		var id string
		if err := rows.Scan(&format, &a, &b, &id); err != nil {
			return err
		}
		if strings.HasPrefix(id, r.name+"-") {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		end := "xa " + id[strings.LastIndexByte(id, '-')+1:] + " '" + id + "'"
		r.log("%s", end)
		if _, err := r.pool().Exec(end); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) exec(ctx context.Context, q string) error {
	_, err := w.conn.ExecContext(ctx, q)
	return err
}

// savepoint takes back one statement.
func (w *writer) savepoint(ctx context.Context) error {
	kept := w.pending
	w.pending = map[int64]int64{}
	if err := w.exec(ctx, "savepoint s"); err != nil {
		w.pending = merge(kept, w.pending)
		return err
	}
	err := w.statement(ctx, false)
	if err == nil {
		err = w.exec(ctx, "rollback to savepoint s")
	}
	if err != nil {
		w.pending = merge(kept, w.pending)
		return err
	}
	w.pending = kept
	return nil
}

func merge(a, b map[int64]int64) map[int64]int64 {
	for k, v := range b {
		a[k] = v
	}
	return a
}

// statement changes rows of one table.
func (w *writer) statement(ctx context.Context, alone bool) error {
	t := w.run.tables[w.d.IntN(len(w.run.tables))]
	for w.whole && t.engine == "MyISAM" {
		t = w.run.tables[w.d.IntN(len(w.run.tables))]
	}
	tag := w.run.tags.Add(1)
	counted := true
	var q string
	switch n := w.d.IntN(20); {
	case n < 8:
		var rows []string
		for range 1 + w.d.IntN(1+w.d.IntN(8)) {
			rows = append(rows, t.row(w.d, tag))
		}
		q = fmt.Sprintf("insert ignore into %s (%s) values %s", t.name, t.names(), strings.Join(rows, ","))
	case n < 13:
		c := t.columns[w.d.IntN(len(t.columns))]
		if w.run.maxDDL > 0 && w.d.IntN(12) == 0 { // which may not be there
			c = column{xs[w.d.IntN(3)], "", from("1", "22", "333")}
		}
		q = fmt.Sprintf("update %s set tag=%d, %s=%s where %s", t.name, tag, c.name, c.value(w.d), t.where(w.d))
	case n < 14:
		q = fmt.Sprintf("update %s set tag=%d", t.name, tag)
	case n < 16: // another key
		k := w.d.IntN(len(t.key))
		q = fmt.Sprintf("update ignore %s set tag=%d, %s=%s where %s", t.name, tag, t.key[k].name, t.keys[w.d.IntN(len(t.keys))][k], t.where(w.d))
	case n < 17:
		q = fmt.Sprintf("replace into %s (%s) values %s", t.name, t.names(), t.row(w.d, tag))
		counted = false // it affects the rows that it replaces too
	case n < 18 && w.d.IntN(4) == 0:
		q, counted = "delete from "+t.name, false
	default:
		q, counted = fmt.Sprintf("delete from %s where %s", t.name, t.where(w.d)), false
	}
	if counted {
		w.run.begin(tag)
	}
	res, err := w.conn.ExecContext(ctx, q)
	if err != nil {
		w.pending[tag] = -1
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if w.changed += n; !counted {
		return nil
	}
	if alone || t.engine == "MyISAM" {
		w.run.wrote(tag, n)
	} else {
		w.pending[tag] = n
	}
	return nil
}

func (w *writer) sure() {
	for tag, n := range w.pending {
		w.run.wrote(tag, n)
	}
}

// unsure is what becomes of the tags of a transaction that ended in an error:
// its commit may have happened.
func (w *writer) unsure() {
	for tag := range w.pending {
		w.run.forget(tag)
	}
}

// ddl changes a table.
func (w *writer) ddl(ctx context.Context) error {
	w.run.altering.Lock()
	defer w.run.altering.Unlock()
	t := w.run.tables[w.d.IntN(len(w.run.tables))]
	i := min(w.d.IntN(len(xs)), w.d.IntN(len(xs))) // few, so that statements meet
	wide := &t.wide[i/2]
	kind := changing[i&^1]
	if *wide {
		kind = changing[i|1]
	}
	var q []string
	switch n := w.d.IntN(12); {
	case n < 4:
		place := []string{"", " first", " after tag"}[w.d.IntN(3)]
		q = []string{fmt.Sprintf("alter table %s add column %s %s%s", t.name, xs[i], kind, place)}
	case n < 6:
		*wide = true
		q = []string{fmt.Sprintf("alter table %s modify column %s %s", t.name, xs[i], changing[i|1])}
	case n < 7:
		q = []string{fmt.Sprintf("alter table %s drop column %s", t.name, xs[i])}
	case n < 8 && w.d.IntN(2) == 0: // values change, and no event says so
		q = []string{fmt.Sprintf("alter table %s drop column %s, add column %s %s", t.name, xs[i], xs[i], strings.NewReplacer("5", "6", "new", "now").Replace(kind))}
	case n < 9 && i/2 == 1: // the same
		q = []string{fmt.Sprintf("alter table %s modify column %s varchar(2) not null default 'n'", t.name, xs[i])}
	case n < 8 && !*wide:
		q = []string{fmt.Sprintf("alter table %s rename column %s to %s", t.name, xs[i], xs[i^1])}
	case n < 10:
		q = []string{"truncate table " + t.name}
	case n < 11:
		q = []string{fmt.Sprintf("drop table if exists %s_new, %s_old", t.name, t.name), fmt.Sprintf("create table %s_new like %s", t.name, t.name),
			fmt.Sprintf("insert into %s_new select * from %s where tag %% 5 > 0", t.name, t.name),
			fmt.Sprintf("rename table %s to %s_old, %s_new to %s", t.name, t.name, t.name, t.name), fmt.Sprintf("drop table %s_old", t.name)}
	default:
		q = []string{fmt.Sprintf("alter table %s engine=%s", t.name, t.engine)}
	}
	for _, s := range q {
		w.run.log("%s", s)
		if err := w.exec(ctx, s); err != nil {
			w.run.log("  %v", err)
			return err
		}
	}
	w.run.world.counts.add("ddl", 1)
	return nil
}
