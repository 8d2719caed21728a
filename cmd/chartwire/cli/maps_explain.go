package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"chartwire/pipeline/explain"
	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	"chartwire/sinks"

	"github.com/spf13/cobra"
)

func (a *app) explainRecordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain MAP KEY", Short: "One record: each property, from which row and column, by which expression, and when it was sent",
		Long: `Reads the topics of the flow and says of one record how each of its properties
and links came to be: the expression in the map, the rows and columns that it
read and their positions, what it gives now, what the destination holds and since
when, and what is still on its way or was refused. KEY is the record's key at the
destination; a key of the root's rows will do. It changes nothing, and runs beside
the stages. What is shown holds the row values themselves.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error {
			s, err := a.reach(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			return a.explainRecord(cmd.Context(), s, names[0], names[1])
		},
	}
}

func (a *app) explainRecord(ctx context.Context, s *site, name, key string) error {
	objects, err := hubspot.Default()
	if err != nil {
		return err
	}
	tables, _, err := s.tablesOrPinned(ctx)
	if err != nil {
		return err
	}
	programs, err := s.programs(tables, objects)
	if err != nil {
		return err
	}
	known := false
	for _, flow := range keys(programs) {
		for _, m := range programs[flow].Maps {
			if m.Name != name || m.Sink() == "" {
				continue
			}
			known = true
			r, err := explain.Record(ctx, explain.Options{
				Connection: s.kafka, Topics: s.topics, Schema: s.registry.Schema, Flow: flow, Map: m,
				Progress: func(topic string, n int, done bool) {
					verb := "reading"
					if done {
						verb = "read"
					}
					fmt.Fprintf(a.err, "%s %s: %d records\n", verb, topic, n)
				},
			}, key)
			if errors.Is(err, explain.ErrNothing) {
				continue // perhaps of the map's other source
			}
			if err != nil {
				return err
			}
			a.showReport(flow, m, r)
			return nil
		}
	}
	if known {
		return fmt.Errorf("%s: %w", name, explain.ErrNothing)
	}
	return fmt.Errorf("no flow has a map %q that writes records; there are %s", name, strings.Join(recordMaps(programs), ", "))
}

// recordMaps names the maps that write records, those with rules alone not.
func recordMaps(programs map[string]*mapping.Program) (names []string) {
	for _, flow := range keys(programs) {
		for _, m := range programs[flow].Maps {
			if m.Sink() != "" {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

func (a *app) showReport(flow string, m *mapping.Map, r *explain.Report) {
	w, to := a.out, r.Mutation
	fmt.Fprintf(w, "%s.%s %s = %s, by %s of flow %s\n", to.Sink, to.Record.Object, to.Record.Property, quote(to.Record.Key), m.Name, flow)
	switch {
	case r.Entry == nil || r.Entry.ID == "":
		fmt.Fprintf(w, "  there       not yet\n")
	case r.Entry.Archived:
		fmt.Fprintf(w, "  there       archived, as record %s\n", r.Entry.ID)
	default:
		fmt.Fprintf(w, "  there       as record %s\n", r.Entry.ID)
	}
	fmt.Fprintf(w, "  last made   %s, version %d, lane %s, reason %s%s\n", moment(r.Written), to.Version, to.Lane, to.Reason, committed(to.Commit))
	for _, o := range to.Origin {
		fmt.Fprintf(w, "    because   %s\n", where(o.Source, o.Table, o.Row, o.Seq, time.Time{}, o.Position))
	}
	switch {
	case !r.Mapped:
		fmt.Fprintf(w, "  now         the row that it is made of is gone\n")
	case r.Presence != mapping.Present:
		fmt.Fprintf(w, "  now         the entity %s is none of this map: `where` does not hold, or is not known\n", quote(r.Root))
	default:
		fmt.Fprintf(w, "  entity      %s\n", quote(r.Root))
	}
	for i := range r.Properties {
		fmt.Fprintln(w)
		showExplained(w, r, &r.Properties[i])
	}
}

func showExplained(w io.Writer, r *explain.Report, x *mapping.Explained) {
	what := x.Name
	if x.Link {
		what = "link " + x.Name
	}
	switch x.State {
	case sinks.Set:
		fmt.Fprintf(w, "%s = %s\n", what, quote(x.Value))
	case sinks.Clear:
		fmt.Fprintf(w, "%s = nothing: it is made empty\n", what)
	default:
		fmt.Fprintf(w, "%s is left alone: %s\n", what, x.Why)
	}
	from := x.From
	switch {
	case from == "":
		from = "a fixed value"
	case x.Values:
		from += ", looked up among `values`"
	}
	if !x.Link {
		from += fmt.Sprintf("   (class %s, lane %s", x.Class, x.Lane)
		if x.Once {
			from += ", written once"
		}
		if x.Best != "" {
			from += ", the " + x.Best + " so far is written"
		}
		from += ")"
	}
	fmt.Fprintf(w, "  from    %s\n", from)
	for i, read := range x.Readings {
		if i == maxReadings {
			fmt.Fprintf(w, "          and %d more\n", len(x.Readings)-i)
			break
		}
		fmt.Fprintf(w, "  read    %s\n", reading(&read))
	}
	if x.Link {
		showLinks(w, r, x.Name)
		return
	}
	showHeld(w, r, x)
}

// maxReadings is how many of the values that went into one property are shown:
// an order of 2,000 items has as many in its sum.
const maxReadings = 20

func reading(x *mapping.Reading) string {
	alias := ""
	if x.Alias != "" {
		alias = x.Alias + ": "
	}
	at := where(x.Source, x.Table.String(), x.Row, x.Seq, x.Commit, x.Position)
	value := quote(x.Value)
	switch {
	case x.Row == "":
		return fmt.Sprintf("%sno row of %s %s%s", alias, x.Source, x.Table, pivot(x))
	case x.Column == "":
		return alias + at
	case x.Null:
		value = "null"
	}
	return fmt.Sprintf("%s%s%s = %s in %s", alias, x.Column, pivot(x), value, at)
}

func pivot(x *mapping.Reading) string {
	if x.Pivot == "" {
		return ""
	}
	return " of " + quote(x.Pivot)
}

// showHeld says what the destination holds of a property, and what is not there
// yet.
func showHeld(w io.Writer, r *explain.Report, x *mapping.Explained) {
	p := r.Entry.Property(x.Name)
	switch {
	case p == nil || !p.Held:
		fmt.Fprintf(w, "  held    never sent\n")
	default:
		or := ""
		if r.Before[x.Name] {
			or = " or before"
		}
		stored := ""
		if p.Other {
			stored = ", stored as " + quote(p.Stored)
		}
		fmt.Fprintf(w, "  held    %s since %s%s, version %d%s%s\n", quote(p.Value), moment(r.Since[x.Name]), or, p.Version, committed(p.Changed), stored)
	}
	for _, q := range r.Mutation.Properties {
		if q.Name == x.Name && (p == nil || p.Version < r.Mutation.Version) {
			fmt.Fprintf(w, "  waits   %s %s in lane %s, version %d\n", q.State, quote(q.Value), r.Mutation.Lane, r.Mutation.Version)
		}
	}
	for _, l := range r.Letters {
		if l.Property == x.Name || l.Property == "" {
			fmt.Fprintf(w, "  refused %s: %s (chartwire dlq show %s)\n", l.Code, printable([]byte(l.Message)), l.ID())
		}
	}
}

// showLinks says which links of a name the destination holds, or waits for.
func showLinks(w io.Writer, r *explain.Report, name string) {
	if r.Entry == nil {
		return
	}
	for _, set := range r.Entry.Links {
		if set.Name != name {
			continue
		}
		for _, l := range set.Links {
			state := "held"
			switch {
			case l.Refused:
				state = "refused"
			case l.Wanted && !l.Held:
				state = "waits for its other end or its turn"
			case !l.Wanted:
				state = "to be removed"
			}
			since := ""
			if !l.Since.IsZero() {
				since = ", since " + moment(l.Since)
			}
			fmt.Fprintf(w, "  held    %s %s: %s, version %d%s\n", l.To.Object, quote(l.To.Key), state, set.Version, since)
		}
	}
}

func where(source, table, key string, seq int64, commit time.Time, position string) string {
	text := fmt.Sprintf("%s %s row %s, seq %d%s", source, table, quote(key), seq, committed(commit))
	if position != "" {
		text += ", at " + position
	}
	return text
}

func committed(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return ", committed " + moment(t)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// quote makes a value's ends visible, and harmless to a terminal.
func quote(s string) string { return strconv.Quote(s) }
