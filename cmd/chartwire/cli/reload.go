package cli

import (
	"errors"
	"fmt"

	"chartwire/pipeline"

	"github.com/spf13/cobra"
)

func (a *app) reloadCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "reload SOURCE",
		Short: "Gives up a source's position: its tables are read again, as after a gap",
		Long: `For a capture that halted because the server's log no longer holds, or no longer
is, what its position says (binlog-purged, position-foreign, position-ahead,
history-changed, server-changed). The next capture of the source starts at the
newest transaction and reads every table again. Rows that are no longer there are
removed when that is complete; safety rules look back to where the gap begins. No
process may capture the source meanwhile. Kept in the audit.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.siteOf(cmd, names[0])
			if err != nil {
				return err
			}
			defer s.Close()
			before, err := pipeline.Reload(cmd.Context(), s.amendment(names[0], reason))
			if err != nil {
				return captured(err)
			}
			fmt.Fprintf(a.out, "The position %s of %s is given up. Start its capture: it reads every table again.\n", before, names[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
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
