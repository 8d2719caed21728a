package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/cut"

	"github.com/spf13/cobra"
)

func (a *app) reloadCommand() *cobra.Command {
	var reason string
	var yes bool
	cmd := &cobra.Command{
		Use:   "reload SOURCE",
		Short: "Gives up a source's position: its tables are read again, as after a gap",
		Long: `For a capture that halted because the server's log no longer holds, or no longer
is, what its position says (binlog-purged, position-foreign, position-ahead,
history-changed, server-changed). Shows the position and the tables. With --yes the
next capture of the source starts at the newest transaction and reads every table
again. Rows that are no longer there are removed when that is complete; safety rules
look back to where the gap begins. No process may capture the source meanwhile.
Kept in the audit.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.siteOf(cmd, names[0])
			if err != nil {
				return err
			}
			defer s.Close()
			state, err := pipeline.Reloadable(cmd.Context(), s.amendment(names[0], reason))
			if err != nil {
				return err
			}
			if !yes {
				showReload(a.out, names[0], state)
				fmt.Fprintln(a.out, "Nothing is changed: say --yes to do it.")
				return nil
			}
			before, err := pipeline.Reload(cmd.Context(), s.amendment(names[0], reason))
			if err != nil {
				return captured(err)
			}
			fmt.Fprintf(a.out, "The position %s of %s is given up. Start its capture: it reads every table again.\n", before, names[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// showReload says what a reload gives up and what is read again, as large as it
// was when it was read last: the server need not be there.
func showReload(w io.Writer, name string, state *cut.Cut) {
	if p := state.Checkpoint.Position; p.IsZero() {
		fmt.Fprintf(w, "%s has no position: it was given up already\n", name)
	} else {
		fmt.Fprintf(w, "%s was read to   %s (%s:%d), which is given up\n", name, p, p.File, p.Offset)
		fmt.Fprintf(w, "what was committed since %s is not read as changes\n", state.Commit.UTC().Format(time.RFC3339))
	}
	ids := slices.SortedFunc(maps.Keys(state.Loads), func(a, b cdc.TableID) int { return strings.Compare(a.String(), b.String()) })
	for _, id := range ids {
		l := state.Loads[id]
		fmt.Fprintf(w, "read again: %s, about %d rows\n", id, max(l.Rows, l.Total))
	}
}

// amendment is what the verbs that change a stopped capture's state need.
func (s *site) amendment(source, reason string) pipeline.AmendOptions {
	return pipeline.AmendOptions{
		Source: source, Connection: s.kafka, Topics: s.topics, Fingerprint: s.cfg.Fingerprint(), Reason: reason, Log: s.log,
	}
}

// captured says what to do when such a verb finds the source captured.
func captured(err error) error {
	if errors.Is(err, pipeline.ErrCaptured) {
		return fmt.Errorf("%w; end the process that does, then run this again", err)
	}
	return err
}
