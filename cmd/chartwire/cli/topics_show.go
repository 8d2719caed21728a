package cli

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chartwire/cdc"
	"chartwire/pipeline/shadow"
	"chartwire/schemas"

	"github.com/twmb/franz-go/pkg/kgo"
)

// showRecord writes a record for a person: where it stands, its key and
// headers, its value.
func (s *site) showRecord(ctx context.Context, w io.Writer, r *kgo.Record) error {
	fmt.Fprintf(w, "%s/%d offset %d  %s", r.Topic, r.Partition, r.Offset, r.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"))
	for _, h := range r.Headers {
		fmt.Fprintf(w, "  %s %s", h.Key, headerText(h))
	}
	fmt.Fprintf(w, "\nkey %s\n", keyText(r.Key))
	_, err := fmt.Fprintln(w, s.valueText(ctx, r))
	return err
}

func headerText(h kgo.RecordHeader) string {
	switch h.Key {
	case schemas.HeaderSeq:
		if seq, err := schemas.ParseSeq(h.Value); err == nil {
			return strconv.FormatInt(seq, 10)
		}
	case schemas.HeaderOp:
		if op, err := schemas.ParseOp(h.Value); err == nil {
			return opNames[op]
		}
	}
	return printable(h.Value)
}

var opNames = map[cdc.Op]string{cdc.Create: "create", cdc.Update: "update", cdc.Delete: "delete", cdc.Read: "read"}

// keyText shows the parts of a key with a bar between them.
func keyText(key []byte) string {
	var parts []string
	for part := range bytes.SplitSeq(key, []byte{0}) {
		parts = append(parts, printable(part))
	}
	return strings.Join(parts, " | ")
}

// printable is a text as it is, unless a terminal would do something with it.
func printable(b []byte) string {
	if !utf8.Valid(b) {
		return hex.EncodeToString(b)
	}
	if s := string(b); strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return string(b)
}

// valueText is a record's value, by the kind of its topic.
func (s *site) valueText(ctx context.Context, r *kgo.Record) string {
	if r.Value == nil {
		return "no value: whatever had this key is gone"
	}
	text, err := "", error(nil)
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.Topic, s.topics.Prefix+"."), ".")
	switch {
	case kind == "rows":
		text, err = s.rowText(ctx, r.Value)
	case kind == "shadow" && string(r.Key) != shadow.ProgressKey:
		text, err = shadowText(r.Value)
	default:
		text = plainText(r.Value)
	}
	if err != nil {
		return fmt.Sprintf("(%d bytes that cannot be shown: %v)", len(r.Value), err)
	}
	return harmless(text)
}

// harmless escapes what a terminal would carry out instead of showing.
func harmless(text string) string {
	if !strings.ContainsFunc(text, commands) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if commands(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func commands(r rune) bool { return unicode.IsControl(r) && r != '\n' }

func (s *site) rowText(ctx context.Context, value []byte) (string, error) {
	id, body, err := schemas.SchemaID(value)
	if err != nil {
		return "", err
	}
	schema, err := s.registry.Schema(ctx, id)
	if err != nil {
		return "", err
	}
	return schemas.Format(schema, body)
}

// plainText indents JSON, and shows anything else as text or in hexadecimal.
func plainText(value []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, value, "", "  ") == nil {
		return b.String()
	}
	return printable(value)
}

// shadowText shows what is known of one record at its destination.
func shadowText(value []byte) (string, error) {
	e, err := shadow.Decode(value)
	if err != nil {
		return "", err
	}
	type property struct {
		Name    string    `json:"name"`
		Value   *string   `json:"value,omitempty"`
		Stored  *string   `json:"stored,omitempty"` // the destination's own form
		Version int64     `json:"version"`
		Changed time.Time `json:"changed,omitzero"`
		Refused bool      `json:"refused,omitempty"`
	}
	out := struct {
		ID         string           `json:"id"`
		Version    int64            `json:"version"`
		Archived   bool             `json:"archived,omitempty"`
		Refused    bool             `json:"refused,omitempty"`
		Properties []property       `json:"properties"`
		Links      []shadow.LinkSet `json:"links,omitempty"`
	}{ID: e.ID, Version: e.Version, Archived: e.Archived, Refused: e.Refused, Links: e.Links}
	for i := range e.Properties {
		p := &e.Properties[i]
		shown := property{Name: p.Name, Version: p.Version, Changed: p.Changed, Refused: p.Refused != 0}
		if p.Held {
			shown.Value = &p.Value
		}
		if p.Other {
			shown.Stored = &p.Stored
		}
		out.Properties = append(out.Properties, shown)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return "", fmt.Errorf("showing a shadow entry: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}
