package hubspot

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"chartwire/sinks"
)

const (
	// blank stands for a value that was taken out. No value consists of it.
	blank = "…"
	// prefix is how much of a long value is recognised where HubSpot cut it.
	prefix = 12
	// readable bounds the message that is read, shown the one that is kept.
	readable, shown = 16 << 10, 500
)

// redact takes the values of the writes out of HubSpot's words, in any case
// and also where HubSpot cut them short, and with them whatever looks like an
// address or a long number: a message can hold a value in a form of HubSpot's
// own. keep is the id of a record in the way, which may stay.
func redact(message, keep string, writes ...*sinks.Write) string {
	text := []rune(message)
	text = text[:min(len(text), readable)]
	out := takeOut(text, valuesOf(writes))
	out = address.ReplaceAllString(out, blank)
	out = longNumber.ReplaceAllStringFunc(out, func(s string) string {
		if keep != "" && s == keep {
			return s
		}
		return blank
	})
	if cut := []rune(out); len(cut) > shown {
		out = string(cut[:shown]) + " (cut)"
	}
	return strings.TrimSpace(out)
}

var (
	address    = regexp.MustCompile(`[^\s"'<>(),:;\[\]]+@[^\s"'<>(),:;\[\]]+`)
	longNumber = regexp.MustCompile(`[0-9][0-9 ./()-]{4,}[0-9]`)
)

// valuesOf lists what must not be shown, folded, the longest first.
func valuesOf(writes []*sinks.Write) [][]rune {
	var values [][]rune
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && s != blank {
			values = append(values, fold([]rune(s)))
		}
	}
	for _, w := range writes {
		add(w.Record.Key)
		for _, p := range w.Properties {
			if p.State != sinks.Set {
				continue
			}
			add(p.Value)
			if strings.Contains(p.Value, ";") {
				for part := range strings.SplitSeq(p.Value, ";") {
					add(part)
				}
			}
		}
	}
	slices.SortFunc(values, func(a, b []rune) int { return cmp.Compare(len(b), len(a)) })
	return values
}

// fold is one rune for one rune, so that places in both texts agree.
func fold(text []rune) []rune {
	folded := make([]rune, len(text))
	for i, r := range text {
		folded[i] = unicode.ToLower(unicode.ToUpper(r))
	}
	return folded
}

func takeOut(text []rune, values [][]rune) string {
	folded := fold(text)
	var b strings.Builder
	for i := 0; i < len(text); {
		n := longest(folded, i, values)
		if n == 0 {
			b.WriteRune(text[i])
			i++
			continue
		}
		b.WriteString(blank)
		i += n
	}
	return b.String()
}

// longest is the length of the longest value, or cut value, that begins at i.
func longest(text []rune, i int, values [][]rune) int {
	best := 0
	for _, v := range values {
		n := 0
		for n < len(v) && i+n < len(text) && v[n] == text[i+n] {
			n++
		}
		if n == len(v) && (n > 3 || alone(text, i, n)) || n >= prefix {
			best = max(best, n)
		}
	}
	return best
}

// alone says that the text at i is no part of a longer word: a value of one
// letter is not taken out of every word that holds it.
func alone(text []rune, i, n int) bool {
	word := func(j int) bool {
		return j >= 0 && j < len(text) && (unicode.IsLetter(text[j]) || unicode.IsDigit(text[j]))
	}
	return !word(i-1) && !word(i+n)
}
