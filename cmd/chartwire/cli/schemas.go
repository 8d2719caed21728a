package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/cut"
	"chartwire/schemas"
	"chartwire/schemas/registry"

	"github.com/spf13/cobra"
)

func (a *app) schemasCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schemas",
		Short: "The schemas of captured tables, and tables held because of theirs: list, show, accept",
	}
	cmd.AddCommand(&cobra.Command{
		Use: "list [SOURCE…]", Short: "Every captured table, its versions, and whether it is held",
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			if len(names) == 0 {
				names = keys(s.cfg.Sources)
			}
			return a.listSchemas(cmd, s, names)
		},
	}, &cobra.Command{
		Use: "show SOURCE DB.TABLE", Short: "The versions of a table: what changed, and why it is held", Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			state, id, err := s.captureOf(cmd, names[0], names[1])
			if err != nil {
				return err
			}
			return a.showSchemas(cmd.Context(), s, names[0], id, state.Loads[id])
		},
	}, a.acceptCommand())
	return cmd
}

func (a *app) acceptCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "accept SOURCE DB.TABLE", Short: "Takes a held table as it is now, from here on",
		Long: `For a table that is held as schema-incompatible (or for another reason that is
mended meanwhile). Columns whose older values would be misread get another field
in the same topic, such as amount_v2; field maps go on to name the column. The
table is read again, and rows that are no longer there are removed. The process that
captures does so at once; where none runs, the next one does. Kept in the audit.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if reason == "" {
				return usage(cmd, errors.New("--reason is needed: it is kept in the audit"))
			}
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			state, id, err := s.captureOf(cmd, names[0], names[1])
			if err != nil {
				return err
			}
			l := state.Loads[id]
			if !l.IsHeld() {
				return fmt.Errorf("%s of %s: it is not held", id, names[0])
			}
			o := cdc.Order{Act: cdc.ActAccept, Table: id, Fields: map[string]string{}}
			for _, column := range l.Held.Columns {
				field, err := s.freeField(cmd.Context(), s.topics.Rows(names[0], id), column)
				if err != nil {
					return err
				}
				o.Fields[column] = field
				fmt.Fprintf(a.out, "The values of %s have the field %s from then on.\n", column, field)
			}
			return a.order(cmd.Context(), s, names[0], o, reason)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
}

// freeField is a name that no field of a topic's schemas had.
func (s *site) freeField(ctx context.Context, topic, column string) (string, error) {
	all, err := s.registry.Versions(ctx, topic)
	if err != nil {
		return "", err
	}
	return registry.FreeField(all, column), nil
}

// captureOf is what is known of a source's capture, and the table of a name in it.
func (s *site) captureOf(cmd *cobra.Command, source, table string) (*cut.Cut, cdc.TableID, error) {
	var id cdc.TableID
	if err := s.has(cmd, source); err != nil {
		return nil, id, err
	}
	state, err := s.latestCut(cmd.Context(), source)
	if err != nil {
		return nil, id, fmt.Errorf("reading the newest cut of %s: %w", source, err)
	}
	if state == nil {
		state = &cut.Cut{Source: source}
	}
	if table == "" {
		return state, id, nil
	}
	id = s.tableOf(source, table)
	if _, ok := state.Loads[id]; ok {
		return state, id, nil
	}
	var names []string
	for id := range state.Loads {
		names = append(names, id.String())
	}
	slices.Sort(names)
	return nil, id, usage(cmd, fmt.Errorf("no table %s of %s was captured; there are %v", id, source, names))
}

func (a *app) listSchemas(cmd *cobra.Command, s *site, sources []string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SOURCE\tTABLE\tVERSIONS\tSTATE")
	for _, source := range sources {
		state, _, err := s.captureOf(cmd, source, "")
		if err != nil {
			return err
		}
		for _, id := range slices.SortedFunc(maps.Keys(state.Loads), cdc.TableID.Compare) {
			all, err := s.registry.Versions(cmd.Context(), s.topics.Rows(source, id))
			if err != nil {
				return err
			}
			l := state.Loads[id]
			said := string(l.Phase)
			if l.IsHeld() {
				said = fmt.Sprintf("held since %s: %s, %d rows left out", l.Held.Since.Local().Format(time.DateTime), l.Held.Code, l.Held.Rows)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", source, id, len(all), said)
		}
	}
	return w.Flush()
}

func (a *app) showSchemas(ctx context.Context, s *site, source string, id cdc.TableID, l cdc.Load) error {
	all, err := s.registry.Versions(ctx, s.topics.Rows(source, id))
	if err != nil {
		return err
	}
	for i, v := range all {
		fmt.Fprintf(a.out, "version %d, key %s\n", i+1, strings.Join(v.Table.KeyNames(), ", "))
		for k := range v.Table.Columns {
			c := &v.Table.Columns[k]
			if i > 0 {
				if n := all[i-1].Table.Column(c.Name); n >= 0 && shown(&all[i-1].Table.Columns[n]) == shown(c) {
					continue
				}
			}
			fmt.Fprintf(a.out, "  %s\n", shown(c))
		}
		if i > 0 {
			for k := range all[i-1].Table.Columns {
				if c := &all[i-1].Table.Columns[k]; v.Table.Column(c.Name) < 0 {
					fmt.Fprintf(a.out, "  %s is gone\n", c.Name)
				}
			}
		}
	}
	if l.IsHeld() {
		fmt.Fprintf(a.out, "held since %s, %d rows left out: %s: %s\n", l.Held.Since.Local().Format(time.DateTime), l.Held.Rows, l.Held.Code, l.Held.Text)
	}
	return nil
}

// shown is a column as one line.
func shown(c *cdc.Column) string {
	line := c.Name + " " + c.Type.String()
	if c.Field != "" {
		line += ", field " + schemas.FieldName(c)
	}
	return line
}
