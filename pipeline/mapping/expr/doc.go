// Package expr is the expression language of field maps: parsing, checking and
// compiling to closures over the Avro bytes of a row. EXPRESSIONS.md in the
// parent folder says why it is our own, with measurements.
//
//	formula   = argument
//	ternary   = or [ "?" ternary ":" ternary ]
//	or        = and { "or" and }
//	and       = not { "and" not }
//	not       = "not" not | compare
//	compare   = sum [ op sum | [ "not" ] "in" list | "is" [ "not" ] "null" ]
//	op        = "==" | "!=" | "<" | "<=" | ">" | ">="
//	sum       = product { ( "+" | "-" ) product }
//	product   = unary { "*" unary }
//	unary     = "-" unary | primary
//	primary   = number | text | "true" | "false" | "null" | path | call | "(" ternary ")"
//	path      = name { "." name } | "." name
//	call      = name "(" [ argument { "," argument } ] ")"
//	argument  = ternary | path "where" ternary
//	list      = "[" literal { "," literal } "]"
//
// # What holds
//
//   - Every value is known, null or unknown. An operator with an unknown
//     operand gives unknown, else with a null one null; `and` and `or` know
//     better where one side decides.
//   - What compiles does not fail: a text that is no number is null, not an error.
//   - A path that starts with a point is a column of the row that the innermost
//     aggregate is at.
//   - What belongs to a source that is optional and not there is absent: a null
//     that fits every type.
//   - Decimals and integers are exact. A float (DOUBLE, FLOAT) meets only
//     floats and literals until money() or round() makes a decimal of it.
package expr
