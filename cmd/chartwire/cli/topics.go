package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func (a *app) topicsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "What stands in the installation's topics: list, show",
	}
	list := &cobra.Command{
		Use: "list", Short: "The topics, and how many offsets each has", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			return a.listTopics(cmd.Context(), s)
		},
	}
	var q topicQuery
	show := &cobra.Command{
		Use:   "show TOPIC|TABLE",
		Short: "Records of a topic as a person reads them, patient data included",
		Long: `Shows records of one topic: rows before and after with the source's own column
names, cuts, mutations, what a destination holds, dead letters, a flow's state.
The topic is named in full or without the installation's prefix; a table's rows
by the table alone, database.table, or source.database.table.

Without --from and --key the newest records are shown. What is shown holds the
row values themselves: it goes to the standard output and nowhere else.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			q.forward = cmd.Flags().Changed("from")
			if q.limit < 1 {
				return usage(cmd, fmt.Errorf("--limit %d shows nothing", q.limit))
			}
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if q.topic, err = s.topic(cmd.Context(), names[0]); err != nil {
				return err
			}
			return a.showTopic(cmd.Context(), s, q)
		},
	}
	show.Flags().Int64Var(&q.from, "from", 0, "begin at this offset; a negative one counts from the end")
	show.Flags().IntVar(&q.limit, "limit", 10, "how many records")
	show.Flags().StringVar(&q.key, "key", "", "only records with this key, or with it as a part of theirs")
	show.Flags().Int32Var(&q.partition, "partition", -1, "only this partition")
	cmd.AddCommand(list, show)
	return cmd
}

// admin makes a client for questions about topics.
func (s *site) admin() (*kadm.Client, func(), error) {
	cl, err := s.kafka.Client()
	if err != nil {
		return nil, nil, err
	}
	return kadm.NewClient(cl), cl.Close, nil
}

// ours lists the topics of the installation.
func (s *site) ours(ctx context.Context) (kadm.TopicDetails, error) {
	adm, done, err := s.admin()
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := adm.ListTopics(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing topics: %w", err)
	}
	maps.DeleteFunc(all, func(name string, d kadm.TopicDetail) bool {
		return d.Err != nil || !strings.HasPrefix(name, s.topics.Prefix+".")
	})
	return all, nil
}

// topic finds the topic that a person means.
func (s *site) topic(ctx context.Context, name string) (string, error) {
	all, err := s.ours(ctx)
	if err != nil {
		return "", err
	}
	for _, full := range []string{name, s.topics.Prefix + "." + name} {
		if _, ok := all[full]; ok {
			return full, nil
		}
	}
	var found []string
	for full := range all {
		source, id, ok := s.topics.ParseRows(full)
		if !ok {
			continue
		}
		for _, means := range []string{id.Name, id.Database + "." + id.Name, source + "." + id.Database + "." + id.Name} {
			if strings.EqualFold(means, name) {
				found = append(found, full)
				break
			}
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no topic and no table %q; chartwire topics list shows those there are", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q may be %s: say which", name, strings.Join(found, " or "))
}

func (a *app) listTopics(ctx context.Context, s *site) error {
	all, err := s.ours(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		fmt.Fprintln(a.out, "no topics: nothing of this installation has run yet")
		return nil
	}
	adm, done, err := s.admin()
	if err != nil {
		return err
	}
	defer done()
	starts, err := adm.ListStartOffsets(ctx, all.Names()...)
	if err != nil {
		return fmt.Errorf("listing start offsets: %w", err)
	}
	ends, err := adm.ListCommittedOffsets(ctx, all.Names()...)
	if err != nil {
		return fmt.Errorf("listing end offsets: %w", err)
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOPIC\tPARTITIONS\tOFFSETS")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var n int64
		for _, p := range all[name].Partitions.Numbers() {
			start, _ := starts.Lookup(name, p)
			end, _ := ends.Lookup(name, p)
			n += max(end.Offset-start.Offset, 0)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\n", name, len(all[name].Partitions), n)
	}
	return w.Flush()
}

func (a *app) showTopic(ctx context.Context, s *site, q topicQuery) error {
	n := 0
	show := func(r *kgo.Record) error {
		if n > 0 {
			fmt.Fprintln(a.out)
		}
		n++
		return s.showRecord(ctx, a.out, r)
	}
	err := q.read(ctx, s.kafka, show)
	if err != nil {
		return err
	}
	if n == 0 {
		fmt.Fprintln(a.out, "no such records in", q.topic)
	}
	return nil
}
