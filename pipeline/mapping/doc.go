// Package mapping compiles field maps and rules and evaluates them: rows in,
// mutations out. It is pure: no clock, no network, no state. The language is
// described in schemas/maps/LANGUAGE.md.
//
// # Compiling
//
//	program, err := mapping.Compile(files, mapping.Env{
//		Sources: []mapping.Source{{Name: "om", Zone: zone}},
//		Tables:  tables,                     // what the databases have
//		Objects: map[string]*hubspot.Schema{"hubspot": live},
//	})
//
// An error is a [Problems]: everything wrong in all files, each with file, line
// and column, what is wrong and what would be right. What compiles does not
// fail when it runs: a value that cannot be mapped is a [Refusal] of that one
// property, never an error of the record.
//
// A map file names a source by its name or its kind; it becomes one [Map] for
// each source that fits.
//
// # Evaluating
//
// A [Map] makes evaluators, one per goroutine. An [Evaluator] takes an [Input],
// the entity's row as it is now and as it was last mapped, and gives an
// [Output]: presence, the mutation, and a [Verdict] for each rule.
//
//	ev := m.Evaluator()
//	out, err := ev.Eval(&mapping.Input{Key: key, Schema: schema, After: after, Before: last, …})
//	if out.Mutation != nil { out.Mutation.Version = …; out.Mutation.Flow = … }
//	for i, v := range out.Verdicts {
//		// latch of (v.Rule.Name, v.Once) decides
//		if fires { for _, m := range out.Fire(i, n) { … } }
//	}
//
// # Joined maps
//
// A map of several tables ([Map.Joined]) tells its tables as [Node]s, a tree from
// the root down, and how rows find each other: a row of a node is found under a
// text ([Node.Find]), and its parent's row gives the same text ([Node.Up]). Whoever
// keeps the rows keeps an index for each of [Program.Indexes] with a [Keyer], asks
// [Evaluator.Touches] whether a change concerns the map, climbs from the row to the
// entities, and evaluates those when they have settled:
//
//	out, err := ev.EvalEntity(&mapping.Entity{Key: key, Rows: look, Was: was, Touched: bits, …})
//	if out.Old != nil { … }      // the record that it had under another key
//	if out.Mutation != nil { … } // the record, whole
//
// Rows are looked up as expressions ask for them, and once for each entity.
// A [While] says by a row of a table whether the map is at work at all.
//
// Who sets what in a mutation: mapping sets Sink, Map, Record, Existence,
// Properties, Links, Lane, Due, Commit, Reason and Origin. Map (the stage) sets Flow
// and Version, takes out write-once properties that were written before
// ([Output.Once]), writes the best of values ([Map.KeepBest]), and holds latches, firings and versions in its state.
//
// # What holds
//
//   - Before is the row as it was last mapped, not the image before the last of
//     several changes within a cut: what is unchanged against it was already sent.
//   - Unknown is not null. A column that the row's table version does not have,
//     or that Input.Unknown names, makes what reads it unknown: a property is
//     omitted, a rule's verdict is Unknown, and an entity whose `where` is
//     unknown is left alone.
//   - Nothing an Output holds aliases the rows or the evaluator, except Verdicts
//     and Fire, which are valid until the next Eval.
//   - Row values are in no error, no Refusal and no Problem.
package mapping
