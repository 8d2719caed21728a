package deadletter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"chartwire/sinks"
)

// Letter is one refusal.
type Letter struct {
	Sink     string       `json:"sink"`
	Flow     string       `json:"flow"`
	Map      string       `json:"map"`
	Record   sinks.Record `json:"record"`
	Property string       `json:"property,omitempty"` // empty: the record as a whole
	// By names the map if it is the one that refused: a value that it has no
	// place for. Empty: the destination did.
	By string `json:"by,omitempty"`

	// The words of who refused.
	Code        string `json:"code"`
	Class       string `json:"class,omitempty"`
	Message     string `json:"message"`
	Existing    string `json:"existing,omitempty"`
	Correlation string `json:"correlation,omitempty"`

	Lane    sinks.Lane     `json:"lane"`
	Version int64          `json:"version"`
	Origin  []sinks.Origin `json:"origin,omitempty"`
	Commit  time.Time      `json:"commit,omitzero"` // of the row
	Time    time.Time      `json:"time"`            // of the refusal
}

// Key is the letter's key in its topic: a later refusal of the same property of
// the same record takes its place. What a map refuses and what the destination
// does have nothing to do with each other.
func (l *Letter) Key() string {
	if l.By != "" {
		return Key(l.Record, l.Property) + "\x00" + l.By
	}
	return Key(l.Record, l.Property)
}

// Key is the key of the letter of a record and property.
func Key(r sinks.Record, property string) string { return r.ID() + "\x00" + property }

// ID is a short name of the letter that says nothing of its record, to be typed
// by a person.
func (l *Letter) ID() string {
	sum := sha256.Sum256([]byte(l.Sink + "\x00" + l.Key()))
	return hex.EncodeToString(sum[:6])
}

// Append appends the letter's encoding.
func (l *Letter) Append(b []byte) ([]byte, error) {
	j, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("encoding a dead letter: %w", err)
	}
	return append(b, j...), nil
}

// Decode is the inverse of Append.
func Decode(b []byte) (*Letter, error) {
	l := new(Letter)
	if err := json.Unmarshal(b, l); err != nil {
		return nil, fmt.Errorf("decoding a dead letter: %w", err)
	}
	return l, nil
}

// LogValue gives what may be logged: neither the record's key nor the row's.
func (l *Letter) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", l.ID()), slog.String("map", l.Map), slog.String("object", l.Record.Object),
		slog.String("property", l.Property), slog.String("code", l.Code), slog.String("correlation", l.Correlation))
}
