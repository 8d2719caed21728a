package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline/cut"

	"github.com/spf13/cobra"
)

func (a *app) snapshotStatus() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "status [SOURCE [DB.TABLE]]", Short: "How far tables are read: rows, rate, time left, and the stream's lag meanwhile",
		Args: args(cobra.MaximumNArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			sources := keys(s.cfg.Sources)
			var only cdc.TableID
			if len(names) > 0 {
				if err := s.has(cmd, names[0]); err != nil {
					return err
				}
				sources = names[:1]
			}
			if len(names) > 1 {
				if _, only, err = s.captureOf(cmd, names[0], names[1]); err != nil {
					return err
				}
			}
			before := map[string]*cut.Cut{}
			for first := true; ; first = false {
				open := false
				for _, name := range sources {
					state, err := s.latestCut(cmd.Context(), name)
					if err != nil {
						return err
					}
					open = open || toRead(state)
					if !first || !toRead(state) {
						p := progress{source: name, only: only, before: before[name], now: state}
						if err := p.show(a.out, time.Now()); err != nil {
							return err
						}
						a.showLive(s, name)
					}
					before[name] = state
				}
				// The rate takes a second look, where there is one.
				if !open || !first && !watch {
					return nil
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(rateOver):
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again and again, until everything is read")
	return cmd
}

// showLive adds what only the process that captures knows, if it answers.
func (a *app) showLive(s *site, source string) {
	reports, err := fetchStatus(s.cfg.HTTP.Address)
	if err != nil {
		return // it runs elsewhere; the cuts have said what they know
	}
	for _, r := range reports {
		var c captureStatus
		if r.Stage == "capture" && r.Name == source && json.Unmarshal(r.Status, &c) == nil && c.Holding {
			showWaits(a.out, time.Now(), c.Snapshot)
		}
	}
}

// showWaits says why nothing is read, and what endangers it.
func showWaits(w io.Writer, now time.Time, s mysql.SnapshotStatus) {
	if s.Waits != "" {
		fmt.Fprintf(w, "  waits     %s, since %s ago\n", s.Waits, ago(now, s.Since))
	}
	if s.Failing != "" {
		fmt.Fprintf(w, "  failing   %s\n", s.Failing)
	}
	if s.Warning != "" {
		fmt.Fprintf(w, "  warning   %s\n", s.Warning)
	}
}

// rateOver is the time over which a rate is measured.
const rateOver = 2 * time.Second

// toRead says whether a source has tables that are not read yet.
func toRead(c *cut.Cut) bool {
	if c == nil {
		return false
	}
	for _, l := range c.Loads {
		if openRead(&l) != nil {
			return true
		}
	}
	return false
}

// tableRead is one read of a table, the first or one that was asked for.
type tableRead struct {
	cdc.Reread
	first bool
}

// openRead is what of a table is read now, or will be next.
func openRead(l *cdc.Load) *tableRead {
	if l.Phase == cdc.LoadLeft {
		return nil
	}
	if l.Phase != cdc.LoadDone {
		return &tableRead{cdc.Reread{Phase: l.Phase, Rows: l.Rows, Total: l.Total, Started: l.Started}, true}
	}
	for _, r := range l.Again {
		if r.Open() {
			return &tableRead{r, false}
		}
	}
	return nil
}

// progress says how far the tables of a source are, from one look or two.
type progress struct {
	source      string
	only        cdc.TableID
	before, now *cut.Cut
}

func (p *progress) show(w io.Writer, now time.Time) error {
	if p.now == nil || len(p.now.Loads) == 0 {
		fmt.Fprintf(w, "%s: nothing was captured yet\n", p.source)
		return nil
	}
	fmt.Fprintf(w, "%s: the stream is %s behind\n", p.source, ago(now, p.now.Commit))
	if p.now.Refused != "" {
		fmt.Fprintf(w, "  the newest order was refused: %s\n", p.now.Refused)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var ids []cdc.TableID
	for id := range p.now.Loads {
		if p.only == (cdc.TableID{}) || p.only == id {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b cdc.TableID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		l := p.now.Loads[id]
		fmt.Fprintf(t, "  %s\t%s\n", id, p.table(id, &l, now))
		for _, r := range l.Again {
			if !r.Open() {
				fmt.Fprintf(t, "  \tread again%s: %s\n", condition(r.Where), ended(&r))
			}
		}
	}
	return t.Flush()
}

func condition(where string) string {
	if where == "" {
		return ""
	}
	return " where " + where
}

func ended(r *cdc.Reread) string {
	if r.Problem != "" {
		return fmt.Sprintf("%s after %d rows, %s", r.Problem, r.Rows, r.Ended.Local().Format(time.DateTime))
	}
	return fmt.Sprintf("%d rows, done %s", r.Rows, r.Ended.Local().Format(time.DateTime))
}

// table is one table's line.
func (p *progress) table(id cdc.TableID, l *cdc.Load, now time.Time) string {
	r := openRead(l)
	var b strings.Builder
	switch {
	case r == nil:
		fmt.Fprintf(&b, "done\t%d rows", l.Rows)
		// From the first chunk to the last: of a single one it says nothing.
		if took := l.Ended.Sub(l.Started).Round(100 * time.Millisecond); !l.Started.IsZero() && took > 0 {
			fmt.Fprintf(&b, " in %s", took)
		}
	case r.first:
		fmt.Fprint(&b, r.Phase, "\t")
		if r.Phase == cdc.LoadReading {
			fmt.Fprintf(&b, "%d of about %d rows", r.Rows, max(r.Total, r.Rows))
		}
	default:
		fmt.Fprintf(&b, "again: %s\t%d of %d rows at most%s", r.Phase, r.Rows, max(r.Total, r.Rows), condition(r.Where))
	}
	if rate := p.rate(id, r); rate > 0 {
		fmt.Fprintf(&b, ", %.0f rows/s", rate)
		if r.Where == "" { // of the rows of a condition nobody knows how many follow
			left := time.Duration(float64(max(r.Total-r.Rows, 0)) / rate * float64(time.Second))
			fmt.Fprintf(&b, ", about %s left", left.Round(time.Second))
		}
	}
	if l.IsHeld() {
		fmt.Fprintf(&b, "; held (%s)", l.Held.Code)
	}
	if l.Paused {
		b.WriteString("; paused: chartwire snapshot resume")
	}
	return b.String()
}

// rate is how many rows a second came between the looks, or since the start.
func (p *progress) rate(id cdc.TableID, r *tableRead) float64 {
	if r == nil || r.Phase != cdc.LoadReading {
		return 0
	}
	rows, since := r.Rows, r.Started
	if p.before != nil {
		l := p.before.Loads[id]
		if b := openRead(&l); b != nil && b.first == r.first && b.Order == r.Order && b.Phase == cdc.LoadReading {
			rows, since = r.Rows-b.Rows, p.before.Time
		}
	}
	over := p.now.Time.Sub(since).Seconds()
	if since.IsZero() || over <= 0 {
		return 0
	}
	return float64(rows) / over
}
