package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline"

	"github.com/spf13/cobra"
)

func (a *app) rewindCommand() *cobra.Command {
	var to, reason string
	var yes bool
	cmd := &cobra.Command{
		Use:   "rewind SOURCE --to TIME|GTID|FILE:OFFSET",
		Short: "Sets a source's position back: what follows is read again",
		Long: `Looks in the server's log for a time (2026-11-22T13:00:00Z: the first transaction
committed then or later is read again), for transaction ids as the server prints
them (what follows them is read again), or for a file and offset, and shows what
would be read again. With --yes it does it. Records are numbered on, so that
everybody sees what comes a second time as newer, and what a destination has
already is not sent again. No process may capture the source meanwhile. Kept in
the audit.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if to == "" {
				return usage(cmd, errors.New("--to: say where to go back to"))
			}
			target, err := mysql.ParseTarget(to)
			if err != nil {
				return usage(cmd, err)
			}
			s, err := a.siteOf(cmd, names[0])
			if err != nil {
				return err
			}
			defer s.Close()
			now, r, err := s.rewindable(cmd.Context(), names[0], target)
			if err != nil {
				return err
			}
			showRewind(a.out, names[0], now, r)
			if !yes {
				fmt.Fprintln(a.out, "Nothing is changed: say --yes to do it.")
				return nil
			}
			if err := pipeline.Rewind(cmd.Context(), s.amendment(names[0], reason), now, r.From); err != nil {
				return captured(err)
			}
			fmt.Fprintf(a.out, "%s is set back. Start its capture.\n", names[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "a time, transaction ids, or file:offset")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// rewindable looks in the source's log for the target.
func (s *site) rewindable(ctx context.Context, name string, to mysql.Target) (cdc.Position, *mysql.Rewind, error) {
	now, tables, err := pipeline.Captured(ctx, s.amendment(name, ""))
	if err != nil {
		return now, nil, err
	}
	if len(tables) == 0 {
		return now, nil, fmt.Errorf("nothing of %s was ever captured: there is nothing to read again", name)
	}
	src, err := s.reader(name, tables)
	if err != nil {
		return now, nil, err
	}
	r, err := src.Rewind(ctx, now, to)
	return now, r, err
}

func showRewind(w io.Writer, name string, now cdc.Position, r *mysql.Rewind) {
	about := ""
	if r.Estimated {
		about = "about "
	}
	fmt.Fprintf(w, "%s was read to   %s (%s:%d)\n", name, now, now.File, now.Offset)
	fmt.Fprintf(w, "it would go on at  %s (%s:%d)\n", r.From, r.From.File, r.From.Offset)
	fmt.Fprintf(w, "read again: %s%d transactions, %s of log in %d files", about, r.Transactions, bytesText(r.Bytes), r.Files)
	if !r.First.IsZero() {
		fmt.Fprintf(w, ", from %s on", r.First.Format(time.RFC3339))
	}
	fmt.Fprintln(w)
	ids := make([]cdc.TableID, 0, len(r.Rows))
	for id := range r.Rows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b cdc.TableID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		fmt.Fprintf(w, "  %s: %s%d row changes\n", id, about, r.Rows[id])
	}
	if len(ids) == 0 {
		fmt.Fprintln(w, "  no changes of captured tables")
	}
	for _, xid := range r.Lost {
		fmt.Fprintf(w, "  it would halt (xa-lost) where the XA transaction %s is committed: the log that it was prepared in is gone\n", xid)
	}
}

func bytesText(n uint64) string {
	for _, u := range []struct {
		size uint64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
