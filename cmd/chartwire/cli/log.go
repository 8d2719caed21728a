package cli

import (
	"io"
	"log/slog"
	"os"

	"chartwire/cmd/chartwire/config"

	"golang.org/x/term"
)

// logger makes the log: text on a terminal, JSON elsewhere.
func (a *app) logger(c config.Log) *slog.Logger {
	f, isFile := a.err.(*os.File)
	return newLogger(a.err, c, isFile && term.IsTerminal(int(f.Fd())))
}

func newLogger(w io.Writer, c config.Log, terminal bool) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked with the configuration
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	if c.Format == "json" || c.Format == "" && !terminal {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// readable writes durations as text with a unit: JSON would have them as a
// number of nanoseconds, which nobody reads as such.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
