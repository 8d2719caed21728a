package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline/cut"
	"chartwire/pipeline/orders"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
)

func (a *app) snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Reading tables beside the stream: start, pause, resume, stop, status",
		Long: `A table is read once, when it is captured first; after that only when a person
asks for it here, after a reload, or when the table itself was replaced. These verbs
reach the process that captures, now or when it starts. All but status are kept in
the audit.`,
	}
	act := func(act cdc.Act, short, long string) *cobra.Command {
		var where, reason string
		var force bool
		c := &cobra.Command{
			Use: string(act) + " SOURCE [DB.TABLE]", Short: short, Long: long, Args: args(cobra.RangeArgs(1, 2)),
			RunE: func(cmd *cobra.Command, names []string) error {
				o := cdc.Order{Act: act, Where: where, Force: force}
				if where != "" && len(names) < 2 {
					return usage(cmd, errors.New("--where is about one table: name it"))
				}
				if where != "" {
					if err := mysql.CheckWhere(where); err != nil {
						return usage(cmd, err)
					}
				}
				return a.giveOrder(cmd, names, o, reason)
			},
		}
		if act == cdc.ActStart || act == cdc.ActStop {
			c.Flags().StringVar(&where, "where", "", "a condition in the database's SQL: these rows alone")
		}
		if act == cdc.ActStart {
			c.Flags().BoolVar(&force, "force", false, "even if that takes longer than the source keeps its log")
		}
		c.Flags().StringVar(&reason, "reason", "", "why, for the audit")
		return c
	}
	cmd.AddCommand(a.snapshotStatus(),
		act(cdc.ActStart, "Reads tables again, or some rows of one; or goes on after a stop", `Reads all tables of a source again, one table, or the rows of one that fulfil a
condition, while the stream goes on and what is known stays known. A table that is
being read for the first time goes on.`),
		act(cdc.ActPause, "Pauses the reading of tables; the stream goes on", `No rows of the tables are read until resume or start, through restarts too. The
stream goes on.`),
		act(cdc.ActResume, "Goes on where a pause began", `Goes on at the chunk where the pause began.`),
		act(cdc.ActStop, "Gives up what is read again", `Gives up the reads that start asked for. A table's first read cannot be given up,
because its rows count as unknown until it is done: it goes back to its beginning,
and waits there for start.`))
	return cmd
}

// tablesCommand is `tables add`, columnsCommand `columns add`.
func (a *app) tablesCommand() *cobra.Command {
	return a.addCommand("tables", "Tables that are captured beside those of the maps: add", "add SOURCE DB.TABLE --columns a,b", cdc.ActTable, cobra.ExactArgs(2),
		"Captures another table from now on, and reads its rows", `For a table that a map will need, while everything goes on: its changes are captured
from this moment on, and its rows are read. A process that starts later goes on with
it, whether a map names the table yet or not. --columns '*' is all of them; name
them where the table holds what nobody needs. Kept in the audit.`)
}

func (a *app) columnsCommand() *cobra.Command {
	return a.addCommand("columns", "Columns that are captured beside those of the maps: add", "add SOURCE DB.TABLE COLUMN…", cdc.ActColumn, cobra.MinimumNArgs(3),
		"Captures further columns of a table from now on, and reads its rows again", `For a column that a map will need, while everything goes on: changes carry it from
this moment on, and the table's rows are read again. Until that is done, what maps
read of the table is unknown in records that do not change meanwhile, and nothing is
cleared. A process that starts later goes on with it. Kept in the audit.`)
}

func (a *app) addCommand(name, about, use string, act cdc.Act, check cobra.PositionalArgs, short, long string) *cobra.Command {
	var reason string
	var columns []string
	c := &cobra.Command{
		Use: use, Short: short, Long: long, Args: args(check),
		RunE: func(cmd *cobra.Command, names []string) error {
			o := cdc.Order{Act: act, Columns: append(columns, names[2:]...)}
			if len(o.Columns) == 0 {
				return usage(cmd, errors.New("name the columns, or say --columns '*'"))
			}
			return a.giveOrder(cmd, names[:2], o, reason)
		},
	}
	if act == cdc.ActTable {
		c.Flags().StringSliceVar(&columns, "columns", nil, "the columns to capture; '*' is all")
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd := &cobra.Command{Use: name, Short: about}
	cmd.AddCommand(c)
	return cmd
}

// tableOf is the table that a person names: DATABASE.TABLE, or TABLE of the
// source's own database.
func (s *site) tableOf(source, name string) cdc.TableID {
	own := s.cfg.Sources[source].Database
	if rest, ok := strings.CutPrefix(name, own+"."); ok {
		return cdc.TableID{Database: own, Name: rest}
	}
	if db, table, ok := strings.Cut(name, "."); ok {
		return cdc.TableID{Database: db, Name: table}
	}
	return cdc.TableID{Database: own, Name: name}
}

// giveOrder gives an order and waits for the answer of the process that captures.
func (a *app) giveOrder(cmd *cobra.Command, names []string, o cdc.Order, reason string) error {
	s, err := a.siteOf(cmd, names[0])
	if err != nil {
		return err
	}
	defer s.Close()
	if len(names) > 1 {
		o.Table = s.tableOf(names[0], names[1])
	}
	return a.order(cmd.Context(), s, names[0], o, reason)
}

// order gives a complete order and waits for its answer.
func (a *app) order(ctx context.Context, s *site, source string, o cdc.Order, reason string) error {
	id, err := orders.Give(ctx, s.kafka, s.topics, source, o, reason)
	if err != nil {
		return err
	}
	topic, err := s.orders(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("it is asked for; looking whether it is carried out: %w", err)
	}
	for end := time.Now().Add(confirmation); ctx.Err() == nil && time.Now().Before(end); {
		state, err := s.latestCut(ctx, source)
		if ctx.Err() != nil {
			break // it stays asked for
		}
		if err != nil {
			return fmt.Errorf("it is asked for; looking whether it is carried out: %w", err)
		}
		if orders.Answered(state, topic, id) {
			said, err := became(state, id)
			if err != nil {
				return fmt.Errorf("%s: %w", source, err)
			}
			fmt.Fprintf(a.out, "%s: %s; chartwire snapshot status %s shows how far it is\n", source, said, source)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	fmt.Fprintf(a.out, "%s: it is asked for; whoever captures the source carries it out as soon as it runs (chartwire snapshot status)\n", source)
	return nil
}

// became says what an order came to, by a cut that tells of it or of a later one:
// a cut says only why the newest was refused.
func became(state *cut.Cut, id int64) (string, error) {
	switch {
	case state.Asked > id:
		return "it was answered, and another order since", nil
	case state.Refused != "":
		return "", fmt.Errorf("refused: %s", state.Refused)
	}
	return "carried out", nil
}

// orders is the identity of the topic of orders.
func (s *site) orders(ctx context.Context) (string, error) {
	cl, err := s.kafka.Client()
	if err != nil {
		return "", err
	}
	defer cl.Close()
	return orders.Identify(ctx, cl, s.topics)
}

// latestCut is where a source's capture stands; nil if nothing was captured.
func (s *site) latestCut(ctx context.Context, source string) (*cut.Cut, error) {
	topic := s.topics.Cuts(source)
	state, _, err := cut.Latest(ctx, s.kafka, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	}
	return state, err
}
