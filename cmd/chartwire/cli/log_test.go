package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chartwire/cmd/chartwire/config"
)

// TestLogDurations: durations have their unit in both forms of the log, alone,
// in groups and as attributes of a logger.
func TestLogDurations(t *testing.T) {
	for format, want := range map[string]string{"json": `"WORD":"1.5s"`, "text": "WORD=1.5s"} {
		var out bytes.Buffer
		log := newLogger(&out, config.Log{Level: "info", Format: format}, false)
		log = log.With("always", 1500*time.Millisecond)
		log.Info("m", "retry_in", 1500*time.Millisecond, slog.Group("g", "in", 1500*time.Millisecond))
		for _, word := range []string{"always", "retry_in", "in"} {
			if got := out.String(); !strings.Contains(got, strings.ReplaceAll(want, "WORD", word)) {
				t.Errorf("%s: %s is not 1.5s in %s", format, word, got)
			}
		}
	}
}
