package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chartwire/pipeline/deadletter"

	"github.com/spf13/cobra"
)

func (a *app) dlqCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "What destinations, or maps, refused: list, show, retry",
	}
	var f deadletter.Filter
	var sink string
	cmd.PersistentFlags().StringVar(&sink, "sink", "", "only this sink (hubspot, notify)")
	cmd.PersistentFlags().StringVar(&f.Flow, "flow", "", "only this flow")
	cmd.PersistentFlags().StringVar(&f.Object, "object", "", "only this object, such as contacts")
	cmd.PersistentFlags().StringVar(&f.Property, "property", "", "only this property")
	cmd.PersistentFlags().StringVar(&f.Class, "class", "", "only this class of refusals, such as portal_rule")
	cmd.PersistentFlags().StringVar(&f.Code, "code", "", "only this code of the destination, such as INVALID_OPTION")

	letters := func(cmd *cobra.Command) ([]*deadletter.Letter, *site, error) {
		s, err := a.reach(cmd.Context())
		if err != nil {
			return nil, nil, err
		}
		if sink != "" && !slices.Contains(s.sinkNames(), sink) {
			err = usage(cmd, fmt.Errorf("the configuration has no sink %q; there are %v", sink, s.sinkNames()))
		} else if f.Flow != "" {
			err = s.knownFlows(cmd, []string{f.Flow})
		}
		if err != nil {
			s.Close()
			return nil, nil, err
		}
		var all []*deadletter.Letter
		for _, name := range s.sinkNames() {
			if sink != "" && sink != name {
				continue
			}
			list, err := deadletter.List(cmd.Context(), s.kafka, s.topics, name, f)
			if err != nil {
				s.Close()
				return nil, nil, fmt.Errorf("reading the dead letters of %s: %w", name, err)
			}
			all = append(all, list...)
		}
		slices.SortFunc(all, func(x, y *deadletter.Letter) int { return y.Time.Compare(x.Time) })
		return all, s, nil
	}

	list := &cobra.Command{
		Use: "list", Short: "The open refusals, newest first", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, s, err := letters(cmd)
			if err != nil {
				return err
			}
			defer s.Close()
			if len(all) == 0 {
				fmt.Fprintln(a.out, "no dead letters")
				return nil
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tAGE\tSINK\tOBJECT\tPROPERTY\tCODE\tCLASS\tTABLE")
			for _, l := range all {
				property, table := l.Property, "-"
				if property == "" {
					property = "(whole record)"
				}
				if len(l.Origin) > 0 {
					table = l.Origin[0].Table
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.ID(), time.Since(l.Time).Round(time.Second),
					l.Sink, l.Record.Object, property, l.Code, l.Class, table)
			}
			return w.Flush()
		},
	}
	show := &cobra.Command{
		Use: "show ID", Short: "One refusal: its reason in the refuser's words, the row it came from, and the way out", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			f.ID = ids[0]
			all, s, err := letters(cmd)
			if err != nil {
				return err
			}
			defer s.Close()
			if len(all) == 0 {
				return fmt.Errorf("there is no dead letter %s; chartwire dlq list shows those there are", ids[0])
			}
			for _, l := range all {
				a.showLetter(l)
			}
			return nil
		},
	}
	retry := &cobra.Command{
		Use: "retry ID|all", Short: "Maps the rows again and sends what they hold now", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if ids[0] != "all" {
				f.ID = ids[0]
			}
			all, s, err := letters(cmd)
			if err != nil {
				return err
			}
			defer s.Close()
			if len(all) == 0 {
				return errors.New("no dead letter is selected; chartwire dlq list shows those there are")
			}
			if err := deadletter.Retry(cmd.Context(), s.kafka, s.topics, all...); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "asked for %d again; each closes when its destination has taken it (chartwire dlq list)\n", len(all))
			return nil
		},
	}
	cmd.AddCommand(list, show, retry)
	return cmd
}

func (a *app) showLetter(l *deadletter.Letter) {
	what := "the property " + l.Property
	if link, ok := strings.CutPrefix(l.Property, "links."); ok {
		what = "the link " + link
	}
	if l.Property == "" {
		what = "the whole record"
	}
	who := l.Sink
	if l.By != "" {
		who = "the map " + l.By
	}
	fmt.Fprintf(a.out, "%s  %s refused %s of %s %s\n", l.ID(), who, what, l.Record.Object, l.Record.Key)
	fmt.Fprintf(a.out, "  in its words   %s: %s\n", l.Code, l.Message)
	if l.Class != "" {
		fmt.Fprintf(a.out, "  class          %s\n", l.Class)
	}
	if l.Existing != "" {
		fmt.Fprintf(a.out, "  in the way     record %s\n", l.Existing)
	}
	if l.Correlation != "" {
		fmt.Fprintf(a.out, "  correlation    %s (tell it to the destination's support)\n", l.Correlation)
	}
	fmt.Fprintf(a.out, "  map            %s, flow %s, lane %s, version %d\n", l.Map, l.Flow, l.Lane, l.Version)
	for _, o := range l.Origin {
		fmt.Fprintf(a.out, "  from           %s, table %s, row %s, seq %d, at %s\n", o.Source, o.Table, o.Row, o.Seq, o.Position)
	}
	fmt.Fprintf(a.out, "  refused        %s\n", l.Time.Format(time.RFC3339))
	fmt.Fprintf(a.out, "  way out        mend the row (or what refuses it), then it is sent by itself; or: chartwire dlq retry %s\n", l.ID())
}
