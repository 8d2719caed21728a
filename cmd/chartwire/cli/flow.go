package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chartwire/pipeline/holds"

	"github.com/spf13/cobra"
)

func (a *app) flowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flow",
		Short: "Flows that are held because they would take away too much: status, hold, release",
	}
	status := &cobra.Command{
		Use: "status [FLOW…]", Short: "Which flows are held, since when, by whom and why",
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if err := s.knownFlows(cmd, names); err != nil {
				return err
			}
			return a.flowStatus(cmd.Context(), s, names)
		},
	}
	act := func(act, short, long string) *cobra.Command {
		var reason string
		c := &cobra.Command{
			Use: act + " FLOW --reason TEXT", Short: short, Long: long, Args: args(cobra.ExactArgs(1)),
			RunE: func(cmd *cobra.Command, names []string) error {
				if strings.TrimSpace(reason) == "" {
					return usage(cmd, errors.New("say why with --reason: it is kept in the audit"))
				}
				s, err := a.reach(cmd.Context())
				if err != nil {
					return err
				}
				defer s.Close()
				if err := s.knownFlows(cmd, names); err != nil {
					return err
				}
				return a.turnFlow(cmd.Context(), s, act, names[0], reason)
			},
		}
		c.Flags().StringVar(&reason, "reason", "", "why, for the audit (required)")
		return c
	}
	cmd.AddCommand(status,
		act(holds.Hold, "Holds a flow: only its safety properties and rules go on", `Stops a flow at its sinks until it is released: safety properties and what rules
make (tickets, pages) go on, nothing is archived, and nothing is lost. Every
process that delivers obeys, now or when it starts. Kept in the audit.`),
		act(holds.Release, "Releases a held flow: what was held back is delivered", `Lets a held flow go on where it was held. What was held back no longer counts as a
mass change; what comes after it does. Kept in the audit.
chartwire explain flow-held says what to look at before.`))
	return cmd
}

func (s *site) knownFlows(cmd *cobra.Command, names []string) error {
	for _, n := range names {
		if _, ok := s.cfg.Flows[n]; !ok {
			return usage(cmd, fmt.Errorf("the configuration has no flow %q; there are %v", n, keys(s.cfg.Flows)))
		}
	}
	return nil
}

func (a *app) flowStatus(ctx context.Context, s *site, names []string) error {
	board, err := holds.Read(ctx, s.kafka, s.topics)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = keys(s.cfg.Flows)
	}
	for _, flow := range names {
		held := 0
		for _, st := range board.States {
			if st.Flow != flow || !st.Held {
				continue
			}
			held++
			fmt.Fprintf(a.out, "%-12s held at %s since %s by %s: %s\n", flow, st.Sink, st.Since.Local().Format(time.DateTime), st.Who, st.Why)
			fmt.Fprintf(a.out, "%-12s at least %d mutations wait; chartwire explain %s\n", "", st.Back, holds.HaltHeld)
		}
		if req, asked := board.Requests[flow]; asked && !board.Done(req) {
			fmt.Fprintf(a.out, "%-12s %s was asked for by %s at %s and is not carried out: does a process that delivers it run?\n",
				flow, req.Act, req.Who, req.Time.Local().Format(time.DateTime))
		} else if held == 0 {
			fmt.Fprintf(a.out, "%-12s not held\n", flow)
		}
	}
	return nil
}

// confirmation is how long an act waits for the processes that deliver.
const confirmation = 20 * time.Second

func (a *app) turnFlow(ctx context.Context, s *site, act, flow, reason string) error {
	board, err := holds.Read(ctx, s.kafka, s.topics)
	if err != nil {
		return err
	}
	var before []string
	for _, st := range board.States {
		if st.Flow == flow && st.Held {
			before = append(before, fmt.Sprintf("held at %s since %s: %s", st.Sink, st.Since.Format(time.RFC3339), st.Why))
		}
	}
	if r, asked := board.Requests[flow]; act == holds.Release && len(before) == 0 && (!asked || board.Done(r)) {
		return fmt.Errorf("flow %s is not held", flow)
	}
	at, err := holds.Ask(ctx, s.kafka, s.topics, act, flow, reason, strings.Join(before, "; "))
	if err != nil {
		return err
	}
	for end := time.Now().Add(confirmation); ctx.Err() == nil && time.Now().Before(end); {
		board, err = holds.Read(ctx, s.kafka, s.topics)
		if ctx.Err() != nil {
			break // it stays asked for
		}
		if err != nil {
			return fmt.Errorf("%s is asked for; looking whether it is carried out: %w", act, err)
		}
		if r := board.Requests[flow]; r.Offset >= at && board.Done(r) {
			fmt.Fprintf(a.out, "flow %s: %s carried out\n", flow, act)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	fmt.Fprintf(a.out, "flow %s: %s is asked for; whoever delivers the flow carries it out as soon as it runs (chartwire flow status)\n", flow, act)
	return nil
}
