package mapping_test

import (
	"testing"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// TestExpressions evaluates an expression over a row and writes the property
// as the destination gets it: "null" when there is no value, "unknown" when
// nothing is said of it.
func TestExpressions(t *testing.T) {
	f := func(property, expression, cells, want string) {
		t.Helper()
		out := eval(t, one(t, property, expression), "", "id=1|"+cells, func(in *mapping.Input) { in.Unknown = []string{"big"} })
		got := "unknown"
		for _, p := range out.Mutation.Properties {
			if got = "null"; p.State == sinks.Set {
				got = p.Value
			}
		}
		if got != want {
			t.Errorf("%s of %s: got %s, want %s", expression, cells, got, want)
		}
	}
	text := func(expression, cells, want string) { t.Helper(); f("name", expression, cells, want) }
	number := func(expression, cells, want string) { t.Helper(); f("amount", expression, cells, want) }
	cond := func(expression, cells, want string) { t.Helper(); f("active", expression, cells, want) }

	// Texts.
	text(`name`, "name= Änne 🙂 ", " Änne 🙂 ")
	text(`filled(name)`, "name=\u00a0 \t", "null")
	text(`upper(trim(name)) + "-" + lower(note)`, "name= ä |note=ÖX", "Ä-öx")
	text(`name + note`, "name=x", "null")
	text(`join(", ", name, note, text(kind == "a"))`, "name=x|note=|kind=a", "x, true")
	text(`join(", ", name, note)`, "note=", "null")
	text(`coalesce(filled(note), name, "none")`, "note= ", "none")
	text(`left(name, 3)`, "name=äöüß", "äöü")
	text(`left(name, 9)`, "name=äöüß", "äöüß")
	text(`phone(name)`, "name=(404) 555-0123", "+14045550123")
	text(`phone(name)`, "name=1.404.555.0123", "+14045550123")
	text(`phone(name)`, "name=+49 30 901820", "+4930901820")
	text(`phone(name)`, "name= 404-555-0123 x12 ", "404-555-0123 x12")
	text(`phone(name)`, "name=555-0123", "555-0123")
	text(`phone(name)`, "name=104-555-0123", "104-555-0123")
	text(`kind == "a" ? "one" : kind is null ? "none" : "other"`, "kind=b", "other")
	text(`kind == "a" ? "one" : kind is null ? "none" : "other"`, "name=x", "none")
	text(`text(flags)`, "flags=x,y", "x,y")
	text(`text(price)`, "price=12.5000", "12.5")
	text(`text(balance)`, "balance=0.1", "0.1")
	text(`text(born)`, "born=1000-01-01", "1000-01-01")
	text(`text(seen)`, "seen=2026-03-29 02:30:00", "2026-03-29T02:30:00")
	text(`text(opens)`, "opens=-838:59:58.5", "-838:59:58.5")
	text("text(`id`)", "name=x", "1")

	// Numbers.
	number(`price`, "price=9999999999999999.9999", "9999999999999999.9999")
	number(`balance`, "balance=1e15", "1000000000000000")
	number(`balance`, "balance=-1.5e-7", "-0.00000015")
	number(`money(balance)`, "balance=100.09999999999999432", "100.1")
	number(`money(balance)`, "balance=0.30000000000000004", "0.3")
	number(`money(balance)`, "balance=-2.675", "-2.68")
	number(`round(price, 1)`, "price=0.0500", "0.1")
	number(`price * 3 - active`, "price=0.3333|active=1", "-0.0001")
	number(`-abs(price) + -1`, "price=-2.5", "-3.5")
	number(`id + id * 9223372036854775807`, "name=x", "9223372036854775808")
	number(`number(name)`, "name= 3.50 ", "3.5")
	number(`number(name)`, "name=<0.1", "null")
	number(`number(name)`, "name=1e5", "null")
	number(`nonzero(active)`, "active=0", "null")
	number(`nonzero(balance)`, "balance=-0", "null")
	number(`coalesce(price, active)`, "active=7", "7")
	number(`range_low(result)`, "result=3.5-5.1", "3.5")
	number(`range_high(result)`, "result=3.5 – 5.1", "5.1")
	number(`range_high(result)`, "result=<=200", "200")
	number(`range_low(result)`, "result=<200", "null")
	number(`range_low(result)`, "result=≥ 40", "40")
	number(`range_low(result)`, "result=-2.0--1.5", "-2")
	number(`range_high(result)`, "result=-2.0--1.5", "-1.5")
	number(`range_low(result)`, "result=5.1-3.5", "null")
	number(`range_low(result)`, "result=negative", "null")
	number(`big`, "name=x", "unknown")
	number(`coalesce(big, id)`, "name=x", "unknown")

	// Conditions: null gives null, unknown gives unknown, one side may decide.
	cond(`balance > 500`, "balance=500.01", "true")
	cond(`balance > 500`, "name=x", "null")
	cond(`not (balance > 500)`, "name=x", "null")
	cond(`balance > 500 or true`, "name=x", "true")
	cond(`balance > 500 and false`, "name=x", "false")
	cond(`balance > 500 or active == 1`, "active=0", "null")
	cond(`big > 5`, "name=x", "unknown")
	cond(`big > 5 or id == 1`, "name=x", "true")
	cond(`big > 5 and id == 1`, "name=x", "unknown")
	cond(`big is null`, "name=x", "unknown")
	cond(`name is null and note is not null`, "note=", "true")
	cond(`kind in ["a", "c"]`, "kind=c", "true")
	cond(`kind not in ["a", "c"]`, "name=x", "null")
	cond(`price in [1, -2.5]`, "price=-2.5000", "true")
	cond(`price == 1`, "price=1.0000", "true")
	cond(`price != active`, "price=1.0000|active=1", "false")
	cond(`born < date("2000-01-01")`, "born=1999-12-31", "true")
	cond(`date(seen) == born`, "seen=2026-01-01 23:59:59|born=2026-01-01", "true")
	cond(`has(flags, "y") and not has(flags, "x")`, "flags=y", "true")
	cond(`contains(name, "é") and starts(name, "Ch") and ends(name, "é")`, "name=Chloé", "true")
	cond(`matches(name, "^[A-Z]{2}$")`, "name=GA", "true")
	cond(`(name == "x") == true`, "name=x", "true")

	// Days and moments.
	f("born", `born`, "born=2000-02-29", "2000-02-29")
	f("born", `born`, "born=0000-00-00", "null")
	f("born", `date(seen)`, "seen=1969-12-31 23:59:59", "1969-12-31")
	f("born", `date(stamp)`, "stamp=2026-01-01 23:30:00", "2026-01-02") // in Berlin
	f("born", `date(name)`, "name=2026-02-30", "null")
	f("seen", `utc(seen)`, "seen=2026-01-02 03:04:05.123456", "2026-01-02T03:04:05.123Z")
	f("seen", `local(seen)`, "seen=2026-01-02 03:04:05", "2026-01-02T02:04:05Z")
	f("seen", `local(seen)`, "seen=2026-07-02 03:04:05", "2026-07-02T01:04:05Z")
	f("seen", `local(seen)`, "seen=2026-03-29 02:30:00", "2026-03-29T01:30:00Z") // skipped: by a clock not yet changed
	f("seen", `local(seen)`, "seen=2026-10-25 02:30:00", "2026-10-25T00:30:00Z") // twice: the first
	f("seen", `local(seen)`, "seen=2026-10-25 03:30:00", "2026-10-25T02:30:00Z")
	f("seen", `coalesce(local(seen), stamp)`, "seen=0001-01-01 00:00:00|stamp=2026-01-01 23:30:00", "2026-01-01T23:30:00Z")
	f("seen", `stamp`, "stamp=2026-01-01 23:30:00", "2026-01-01T23:30:00Z")
	f("seen", `epoch(active)`, "active=100", "1970-01-01T00:01:40Z")
	f("seen", `epoch(number(name))`, "name=99999999999999", "null")
}

func TestExpressionErrors(t *testing.T) {
	f := func(property, expression, want string) {
		t.Helper()
		text := replace(t, good, "name: { from: name }", property+":\n    from: |\n      "+expression)
		_, err := mapping.Compile([]mapping.File{{Name: "m.yaml", Text: []byte(text)}}, world(t))
		if err == nil || !containsText(err, want) {
			t.Errorf("%s: got %v, want %s", expression, err, want)
		}
	}
	f("name", `nope(name)`, "there is no function nope; there are abs(number)")
	f("name", `text(name)`, "a text already")
	f("name", `left(name, active)`, "a whole number from 0 to 65536 as its 2nd argument")
	f("name", `join(name, note)`, "a written text as its 1st argument")
	f("name", `lower(price)`, "lower(text) takes text as its 1st argument, and this is decimal; write number(x) around the text, or text(x)")
	f("name", `trim()`, "a call of trim looks like trim(text)")
	f("name", `trim(null)`, "trim of null is always null")
	f("name", `kind ? "a" : "b"`, "before `?` stands a condition, and this is text")
	f("name", `active != 0 ? "a" : 1`, "text and integer do not go together")
	f("name", `active != 0 ? null : null`, "both are null")
	f("name", `name - note`, "takes two numbers, and these are text and text")
	f("name", `null`, "null is no value")
	f("name", `billing.city`, "the entity has no part `billing`")
	f("amount", `price / 2`, "exact factor")
	f("amount", `balance * price`, "a float is not exact")
	f("amount", `round(price, 1.5)`, "a whole number")
	f("amount", `name + 1`, "write number(x) around the text")
	f("active", `name > note`, "text has no order here")
	f("active", `born == seen`, "write date(x) around the other")
	f("active", `seen > stamp`, "utc(x) or local(x)")
	f("active", `active and true`, "`and` joins two conditions, and these are integer and condition; write x != 0")
	f("active", `kind in [1]`, "a text is looked for among texts")
	f("active", `kind in ["a", "a"]`, "in the list twice")
	f("active", `balance in [1]`, "takes a text or an exact number")
	f("active", `matches(name, "(")`, "not a regular expression")
	f("active", `born > date("yesterday")`, "a written day looks like")
	f("active", `not name`, "`not` takes a condition")
	f("active", `-name == 1`, "`-` takes a number")
	f("born", `date(born)`, "a date already")
}
