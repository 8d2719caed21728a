package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/pipeline/audit"
	"chartwire/pipeline/cut"
)

// Accept takes a held table as it is from now on. The columns that older rows
// would be misread for get another field in the table's topic, by a name that
// free gives, and the table is read again behind an epoch: its rows were left out
// while it was held. Other tables are not touched. The act is written to the audit
// in the same Kafka transaction.
//
// It gives the names of fields by column, and fails with [ErrCaptured] while a
// process captures the source.
func Accept(ctx context.Context, o AmendOptions, table cdc.TableID, free func(ctx context.Context, topic, column string) (string, error)) (fields map[string]string, err error) {
	fields = map[string]string{}
	err = amend(ctx, o, func(ctx context.Context, state *cut.Cut) (audit.Entry, error) {
		act := audit.New("schemas accept", fmt.Sprintf("source %s table %s", o.Source, table), o.Reason)
		l, ok := state.Loads[table]
		if !ok {
			return act, fmt.Errorf("it is not captured")
		}
		if !l.IsHeld() {
			return act, fmt.Errorf("it is not held")
		}
		var said []string
		for _, column := range l.Held.Columns {
			name, err := free(ctx, o.Topics.Rows(o.Source, table), column)
			if err != nil {
				return act, err
			}
			fields[column] = name
			said = append(said, column+" is "+name)
		}
		slices.Sort(said)
		act.Before = strings.Join(append([]string{l.Held.Code}, said...), "; ")
		l.Fields = maps.Clone(l.Fields)
		if l.Fields == nil {
			l.Fields = map[string]string{}
		}
		maps.Copy(l.Fields, fields)
		l.Held = cdc.Held{}
		state.Loads[table] = l // it waits to be read since it is held
		state.Seq++
		state.Epochs = append(state.Epochs, cdc.Epoch{Table: table, Kind: cdc.EpochReload, Seq: state.Seq})
		return act, nil
	})
	if err != nil {
		return nil, fmt.Errorf("accepting %s of %q: %w", table, o.Source, err)
	}
	return fields, nil
}
