package shop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"html"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ID names a record: its object, and its key's property and value.
type ID struct{ Object, Property, Key string }

// Record is what HubSpot should hold of one record. A property that is not in
// it is not to be looked at; an empty text means that it has no value. Links
// are by name; a link whose far end is not there is not to be expected.
type Record struct {
	Properties map[string]string
	Links      map[string]ID
}

// Expectation says what should be of the shop's rows in HubSpot.
type Expectation struct {
	SiteKey []byte
	// Patients are the addresses that patients have, in lower case.
	Patients map[string]bool
}

// Expect asks the final tables: every record that there should be, with those
// of its properties that are functions of the rows.
func (e *Expectation) Expect(ctx context.Context, pool *sql.DB) (map[ID]*Record, error) {
	var enabled string
	err := pool.QueryRowContext(ctx, "SELECT COALESCE(MAX(option_value), '') FROM "+Database+".wp_options WHERE option_name = ?", switchOption).Scan(&enabled)
	if err != nil {
		return nil, fmt.Errorf("asking which tables are the authority: %w", err)
	}
	out := map[ID]*Record{}
	for _, q := range questions {
		if q.only != "" && q.only != enabled && !(q.only == "no" && enabled == "") {
			continue
		}
		if err := e.ask(ctx, pool, &q, out); err != nil {
			return nil, fmt.Errorf("asking what should be of %s: %w", q.property, err)
		}
	}
	return out, nil
}

func (e *Expectation) ask(ctx context.Context, pool *sql.DB, q *question, out map[ID]*Record) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "USE "+Database); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, q.sql)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		r := &Record{Properties: map[string]string{}, Links: map[string]ID{}}
		id := ID{q.object, q.property, e.name(values[0].String)}
		for i, name := range names[1:] {
			v := values[i+1]
			if !v.Valid {
				continue
			}
			if link, ok := strings.CutPrefix(name, "link "); ok {
				if v.String != "" {
					r.Links[link] = e.far(link, v.String)
				}
				continue
			}
			name, form, _ := strings.Cut(name, " ")
			r.Properties[name] = shape(form, v.String)
		}
		if email := r.Properties["email"]; e.Patients[email] {
			r.Properties["email"] = ""
		}
		r.Properties[q.property] = id.Key
		out[id] = r
	}
	return rows.Err()
}

// far is the record that a link leads to.
func (e *Expectation) far(link, key string) ID {
	if link == "contact" {
		return ID{"contacts", "woocommerce_customer_id", e.name(key)}
	}
	return ID{"deals", "woocommerce_order_id", key}
}

// name gives the key of a contact: a number, or "mail:" and a guest's address.
func (e *Expectation) name(key string) string {
	email, ok := strings.CutPrefix(key, "mail:")
	if !ok {
		return key
	}
	h := hmac.New(sha256.New, e.SiteKey)
	h.Write([]byte(strings.ToLower(strings.TrimSpace(email))))
	return "guest:" + hex.EncodeToString(h.Sum(nil))[:16]
}

var tag = regexp.MustCompile(`<[^>]*>`)

// shape writes a value of the source as HubSpot stores it.
func shape(form, s string) string {
	switch form {
	case "number":
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			return s
		}
		text := r.FloatString(8)
		return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	case "time":
		if t, err := time.Parse(time.DateTime, s); err == nil {
			return t.Format(time.RFC3339)
		}
		return "" // a zero date, or the '0' of a schedule
	case "epoch":
		if sec, err := strconv.ParseInt(s, 10, 64); err == nil && sec > 0 {
			return time.Unix(sec, 0).UTC().Format(time.RFC3339)
		}
		return ""
	case "html":
		return strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(s, "")))
	case "phone":
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s)
		switch {
		case len(digits) == 10:
			return "+1" + digits
		case len(digits) == 11 && digits[0] == '1' || strings.HasPrefix(s, "+"):
			return "+" + digits
		}
	}
	return s
}
