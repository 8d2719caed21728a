package shop

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Database is the name that the recorded shop's database has.
const Database = "wp"

// Player executes recorded transactions on a MariaDB, on one connection of its
// own, so that the order of the log is the order of Played.
type Player struct {
	conn *sql.Conn
	// Pace is the time from one transaction to the next.
	Pace time.Duration
	// Committed is called with the client's clock after each commit, if set.
	Committed func(*Txn, time.Time)

	played []Txn
}

// NewPlayer takes a connection of the pool, whose user may make tables in the
// shop's database; that must be there.
func NewPlayer(ctx context.Context, pool *sql.DB) (*Player, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	// As WordPress sets it: zero dates are normal. The log's stamps are in UTC.
	_, err = conn.ExecContext(ctx, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")
	if err == nil {
		_, err = conn.ExecContext(ctx, "USE "+Database)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("preparing the player's connection: %w", err)
	}
	return &Player{conn: conn}, nil
}

// Close gives the connection back.
func (p *Player) Close() error { return p.conn.Close() }

// Played is everything that was committed, in that order.
func (p *Player) Played() []Txn { return p.played }

// Install makes the shop's tables, and nothing else of what those statements
// did when they were recorded: no database, no users.
func (p *Player) Install(ctx context.Context, ddl []string) error {
	for _, text := range ddl {
		if !tableDDL(text) {
			continue
		}
		if _, err := p.conn.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("executing %.60q: %w", text, err)
		}
	}
	return nil
}

// Play executes the transactions one after the other at the player's pace.
func (p *Player) Play(ctx context.Context, txns []Txn) error {
	next := time.Now()
	for i := range txns {
		if p.Pace > 0 {
			if wait := time.Until(next); wait > 0 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(wait):
				}
			}
			next = next.Add(p.Pace)
		}
		if err := p.execute(ctx, &txns[i]); err != nil {
			return fmt.Errorf("transaction %d of scenario %d: %w", i, txns[i].Scenario, err)
		}
		if p.Committed != nil {
			p.Committed(&txns[i], time.Now())
		}
		p.played = append(p.played, txns[i])
	}
	return nil
}

func (p *Player) execute(ctx context.Context, t *Txn) error {
	if t.DDL != "" {
		return p.Install(ctx, []string{t.DDL})
	}
	if len(t.Changes) == 1 {
		return p.change(ctx, p.conn, &t.Changes[0])
	}
	tx, err := p.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i := range t.Changes {
		if err := p.change(ctx, tx, &t.Changes[i]); err != nil {
			_ = tx.Rollback()
			return err
		}
	}
	return tx.Commit()
}

type executor interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// change executes one row change, and finds out when the database is not what
// it was when the change was recorded.
func (p *Player) change(ctx context.Context, to executor, c *Change) error {
	if junk(c) {
		_, err := to.ExecContext(ctx, c.loose())
		return err
	}
	result, err := to.ExecContext(ctx, c.Statement())
	if err != nil {
		return fmt.Errorf("replaying a change of %s: %w", c.Table.Name, err)
	}
	if n, err := result.RowsAffected(); err == nil && n != 1 && !c.same() {
		return fmt.Errorf("replaying a change of %s: %d rows instead of one", c.Table.Name, n)
	}
	return nil
}
