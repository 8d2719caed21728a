package cli

import (
	"context"
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

func (a *app) skipCommand() *cobra.Command {
	var reason, reread string
	var yes bool
	cmd := &cobra.Command{
		Use:   "skip SOURCE --reason TEXT",
		Short: "Passes over the one transaction that a capture halted at",
		Long: `For a capture that halted at a transaction that it cannot read (row-image-partial,
statement-event, event-damaged and the like). Shows that transaction: its place, id
and time, the captured tables that it changed, its events and how many rows, never
a value. With --yes the next capture goes on behind it. What it changed is not
written; the tables that it changed, all of them where that is not known, are read
again, so that nothing is missing in the end; --reread none or --reread TABLE,…
says otherwise. No process may capture the source meanwhile. Kept in the audit.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if strings.TrimSpace(reason) == "" {
				return usage(cmd, errors.New("--reason: say why, for the audit"))
			}
			s, err := a.siteOf(cmd, names[0])
			if err != nil {
				return err
			}
			defer s.Close()
			halted, tables, w, err := s.passage(cmd.Context(), names[0])
			if err != nil {
				return err
			}
			again, err := toReread(reread, w, tables)
			if err != nil {
				return usage(cmd, err)
			}
			showPassage(a.out, names[0], halted, w, again)
			if !yes {
				fmt.Fprintln(a.out, "Nothing is changed: say --yes to do it.")
				return nil
			}
			if err := pipeline.Skip(cmd.Context(), s.amendment(names[0], reason), w, again); err != nil {
				return captured(err)
			}
			fmt.Fprintf(a.out, "It is passed over. Start the capture of %s.\n", names[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.Flags().StringVar(&reread, "reread", "changed", "the tables to read again: changed, all, none, or database.table,…")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	return cmd
}

// passage looks at the transaction that a source's capture halted at.
func (s *site) passage(ctx context.Context, name string) (*cut.Halted, []cdc.TableID, *cdc.Passage, error) {
	halted, tables, err := pipeline.Halted(ctx, s.amendment(name, ""))
	if err != nil {
		return nil, nil, nil, err
	}
	src, err := s.reader(name, tables)
	if err != nil {
		return nil, nil, nil, err
	}
	w, err := src.Passage(ctx, halted.At)
	return halted, tables, w, err
}

// toReread is the tables that are read again.
func toReread(say string, w *cdc.Passage, captured []cdc.TableID) ([]cdc.TableID, error) {
	list := w.Tables
	switch {
	case say == "none":
		return nil, nil
	case say == "all", say == "changed" && w.Unknown:
		list = slices.Clone(captured)
	case say != "changed":
		list = nil
		for name := range strings.SplitSeq(say, ",") {
			i := slices.IndexFunc(captured, func(id cdc.TableID) bool { return id.String() == strings.TrimSpace(name) })
			if i < 0 {
				return nil, fmt.Errorf("--reread: %q is not captured", name)
			}
			list = append(list, captured[i])
		}
	}
	slices.SortFunc(list, func(a, b cdc.TableID) int { return strings.Compare(a.String(), b.String()) })
	return list, nil
}

func showPassage(w io.Writer, name string, h *cut.Halted, p *cdc.Passage, again []cdc.TableID) {
	fmt.Fprintf(w, "%s halted with %s\n", name, h.Text)
	fmt.Fprintf(w, "the transaction    %s, committed %s\n", p.ID, p.Time.Format(time.RFC3339))
	fmt.Fprintf(w, "it stands before   %s (%s:%d)\n", p.From, p.From.File, p.From.Offset)
	fmt.Fprintf(w, "it would go on at  %s (%s:%d)\n", p.Behind, p.Behind.File, p.Behind.Offset)
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(p.Events)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", p.Events[k], k))
	}
	fmt.Fprintf(w, "passed over: %s of log (%s), %d row images\n", bytesText(uint64(p.Bytes)), strings.Join(kinds, ", "), p.Rows)
	for _, id := range p.Tables {
		fmt.Fprintf(w, "  changes %s\n", id)
	}
	if p.Unknown {
		fmt.Fprintln(w, "  may change any captured table: not all of it can be read")
	} else if len(p.Tables) == 0 {
		fmt.Fprintln(w, "  no captured table is changed")
	}
	for _, id := range again {
		fmt.Fprintf(w, "read again: %s\n", id)
	}
	if len(again) == 0 {
		fmt.Fprintln(w, "nothing is read again: what it changed stays as it was captured before")
	}
}
