package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"chartwire/cdc"
)

const (
	dialTimeout  = 10 * time.Second
	queryTimeout = 30 * time.Second
)

// conn is a connection that ends with its context: a read or write that is
// under way then returns at once.
type conn struct {
	*client.Conn
	stop func() bool
	// deadline is set per query; the context's end overrules it.
	ctx context.Context
}

// dial connects and signs in. A refusal is a *cdc.Halt.
func (s *Source) dial(ctx context.Context) (*conn, error) { return s.dialTo(ctx, s.addr()) }

func (s *Source) dialTo(ctx context.Context, addr string) (*conn, error) {
	c := &conn{ctx: ctx}
	var raw net.Conn // under TLS, if there is any
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		var err error
		if raw, err = d.DialContext(ctx, network, addr); err != nil {
			return nil, err
		}
		_ = raw.SetDeadline(time.Now().Add(dialTimeout))
		c.stop = context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
		return raw, nil
	}
	var err error
	c.Conn, err = client.ConnectWithDialer(ctx, "", addr, s.cfg.User, s.cfg.Password, "", dialer,
		func(cc *client.Conn) error {
			cc.SetTLSConfig(withName(s.cfg.TLS, addr))
			// Results are read packet by packet, in their plainest form.
			cc.UnsetCapability(gomysql.CLIENT_QUERY_ATTRIBUTES)
			cc.UnsetCapability(gomysql.CLIENT_DEPRECATE_EOF)
			cc.SetAttributes(map[string]string{"program_name": "chartwire"})
			return nil
		})
	if err != nil {
		if c.stop != nil {
			c.stop()
		}
		if raw != nil {
			_ = raw.Close()
		}
		return nil, s.explain(fmt.Errorf("connecting to %s: %w", addr, said(err)))
	}
	// Bytes as they are stored, times in UTC, and none of the session modes
	// that change how a statement of ours is read or how its result looks. What
	// asks rarely is not hung up on by a server that is set for web pages.
	if _, err := c.query("SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', sql_mode = '', wait_timeout = 28800"); err != nil {
		c.close()
		return nil, fmt.Errorf("preparing the connection to %s: %w", addr, err)
	}
	return c, nil
}

// withName adds the host that is connected to as the name to verify, unless the
// configuration says another.
func withName(c *tls.Config, addr string) *tls.Config {
	if c == nil || c.ServerName != "" {
		return c
	}
	c = c.Clone()
	c.ServerName, _, _ = net.SplitHostPort(addr)
	return c
}

// said takes the stack traces out of the library's errors and keeps what the
// server said.
func said(err error) error {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return e
	}
	return flat{err}
}

// flat is an error that prints as its text alone, in logs too.
type flat struct{ error }

func (f flat) Unwrap() error { return f.error }

// serverCode is the number of the server's error in err, or 0.
func serverCode(err error) uint16 {
	var e *gomysql.MyError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// explain makes a halt of what no waiting mends.
func (s *Source) explain(err error) error {
	switch serverCode(err) {
	case gomysql.ER_ACCESS_DENIED_ERROR, gomysql.ER_DBACCESS_DENIED_ERROR, gomysql.ER_HOST_NOT_PRIVILEGED,
		gomysql.ER_SPECIFIC_ACCESS_DENIED_ERROR, gomysql.ER_TABLEACCESS_DENIED_ERROR, gomysql.ER_COLUMNACCESS_DENIED_ERROR,
		1524, 1862, 3118: // unknown plugin, password expired, account locked
		return &cdc.Halt{Code: HaltAccess, Text: fmt.Sprintf("the server refuses %s what it asks for; `chartwire check` prints the grants it needs", s.cfg.User), Err: err}
	}
	if text := err.Error(); strings.Contains(text, "x509:") || strings.Contains(text, "tls: failed to verify") {
		return &cdc.Halt{Code: HaltTLS, Text: "the server's certificate is not the one that the configuration expects", Err: err}
	}
	return err
}

// close ends the connection under whoever reads from it. The library's own close
// also writes to the packet counter, which the reader uses.
func (c *conn) close() {
	c.stop()
	_ = c.Conn.Conn.Conn.Close()
}

// patience bounds the next exchange with the server. A context that has ended
// stays in force.
func (c *conn) patience(d time.Duration) {
	if c.ctx.Err() == nil {
		_ = c.SetDeadline(time.Now().Add(d))
	}
	if c.ctx.Err() != nil {
		_ = c.SetDeadline(time.Unix(1, 0))
	}
}

// rows is a small result as text; NULL is "".
type rows [][]string

// query runs a statement whose result is small.
func (c *conn) query(sql string) (rows, error) {
	c.patience(queryTimeout)
	r, err := c.Execute(sql)
	if err != nil {
		if c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
		return nil, said(err)
	}
	defer r.Close()
	if r.Resultset == nil {
		return nil, nil
	}
	out := make(rows, len(r.Values))
	for i, row := range r.Values {
		out[i] = make([]string, len(row))
		for j := range row {
			cell, err := r.GetString(i, j)
			if err != nil {
				return nil, err
			}
			out[i][j] = strings.Clone(cell) // its memory goes to the next result, of whatever connection
		}
	}
	return out, nil
}

// value runs a statement that gives one row, and returns its first column, or
// "" for no row.
func (c *conn) value(sql string) (string, error) {
	r, err := c.query(sql)
	if err != nil || len(r) == 0 || len(r[0]) == 0 {
		return "", err
	}
	return r[0][0], nil
}

// text quotes a string for a statement.
func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`).Replace(s) + "'"
}

// ident quotes a name for a statement.
func ident(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

// each runs a statement and calls f with each row of its result as it came: the
// values in the text protocol, each behind its length. The bytes are valid
// during the call. After an error the connection is of no more use.
func (c *conn) each(sql string, f func(packet []byte) error) error {
	c.patience(queryTimeout)
	c.ResetSequence()
	b := append(append(make([]byte, 4, 5+len(sql)), gomysql.COM_QUERY), sql...)
	if err := c.WritePacket(b); err != nil {
		return err
	}
	var p packet
	if err := p.read(c); err != nil {
		return err
	}
	head := cursor{b: p.b}
	for columns := head.packed(); columns > 0; columns-- {
		if err := p.read(c); err != nil {
			return err
		}
	}
	if err := p.read(c); err != nil { // the end of the columns
		return err
	}
	for n := 1; ; n++ {
		if err := p.read(c); err != nil {
			return err
		}
		if p.b[0] == gomysql.EOF_HEADER && len(p.b) < 9 {
			return nil
		}
		if err := f(p.b); err != nil {
			return err
		}
		if n%1000 == 0 {
			c.patience(queryTimeout)
		}
	}
}

// packet is one packet of a result, its room used again.
type packet struct{ b []byte }

func (p *packet) Write(b []byte) (int, error) {
	p.b = append(p.b, b...)
	return len(b), nil
}

func (p *packet) read(c *conn) error {
	p.b = p.b[:0]
	if err := c.ReadPacketTo(p); err != nil {
		return err
	}
	if len(p.b) == 0 {
		return errShort
	}
	if p.b[0] == gomysql.ERR_HEADER {
		return c.HandleErrorPacket(append([]byte(nil), p.b...))
	}
	return nil
}
