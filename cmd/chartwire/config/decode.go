package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Problem is one mistake in the file.
type Problem struct {
	Line int
	Key  string // the path of the key, such as sources.om.zone
	Text string // what is wrong and what would be right
}

// Problems is everything that is wrong with a file.
type Problems struct {
	File string
	List []Problem
}

func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, e := range p.List {
		lines[i] = fmt.Sprintf("%s:%d: %s: %s", p.File, e.Line, e.Key, e.Text)
	}
	return strings.Join(lines, "\n")
}

// decoder turns the syntax tree into a Config and remembers where each key
// stands, so that a check of values after decoding can name the line too.
type decoder struct {
	env      func(string) (string, bool)
	lines    map[string]int
	problems []Problem
}

func (d *decoder) bad(path, format string, args ...any) {
	line := d.lines[path]
	for p := path; line == 0 && p != ""; line = d.lines[p] { // a missing key stands where its parent does
		i := strings.LastIndexByte(p, '.')
		p = p[:max(i, 0)]
		if p == "" {
			break
		}
	}
	d.problems = append(d.problems, Problem{Line: max(line, 1), Key: path, Text: fmt.Sprintf(format, args...)})
}

// texter is a scalar with a form of its own.
type texter interface{ fromText(string) error }

// worder is a section that may be one word instead, such as `kafka: embedded`.
type worder interface{ fromWord(string) error }

func (d *decoder) file(text []byte, into any) {
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		line := 1
		if m := lineOf.FindStringSubmatch(err.Error()); m != nil {
			line, _ = strconv.Atoi(m[1])
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		d.problems = append(d.problems, Problem{Line: line, Key: "file", Text: "not YAML: " + first})
		return
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		d.problems = append(d.problems, Problem{Line: 1, Key: "file", Text: "the file must hold one document, such as deploy/chartwire.example.yaml"})
		return
	}
	d.node(f.Docs[0].Body, reflect.ValueOf(into).Elem(), "")
}

var lineOf = regexp.MustCompile(`\[(\d+):\d+\]`)

func (d *decoder) node(n ast.Node, v reflect.Value, path string) {
	if d.lines[path] == 0 {
		d.lines[path] = n.GetToken().Position.Line
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.node(n, v.Elem(), path)
		return
	}
	if t, ok := v.Addr().Interface().(texter); ok {
		d.text(n, path, t.fromText)
		return
	}
	if w, ok := v.Addr().Interface().(worder); ok && isScalar(n) {
		d.text(n, path, w.fromWord)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, path, func(key string, value ast.Node, at string) {
			f := fieldOf(v, key)
			if !f.IsValid() {
				d.bad(at, "unknown key; %s", suggest(key, keysOf(v.Type())))
				return
			}
			d.node(value, f, at)
		})
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.mapping(n, path, func(key string, value ast.Node, at string) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.node(value, e, at)
			v.SetMapIndex(reflect.ValueOf(key), e)
		})
	case reflect.Slice:
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			d.bad(path, "must be a list, such as [a, b]")
			return
		}
		for i, e := range seq.Values {
			item := reflect.New(v.Type().Elem()).Elem()
			d.node(e, item, fmt.Sprintf("%s[%d]", path, i))
			v.Set(reflect.Append(v, item))
		}
	default:
		d.text(n, path, func(s string) error { return setScalar(v, s) })
	}
}

func (d *decoder) mapping(n ast.Node, path string, each func(key string, value ast.Node, at string)) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	case *ast.NullNode:
		return
	default:
		d.bad(path, "must be a section of `key: value` lines")
		return
	}
	seen := map[string]bool{}
	for _, kv := range values {
		key := strings.Trim(kv.Key.String(), `"'`)
		at := strings.TrimPrefix(path+"."+key, ".")
		d.lines[at] = kv.Key.GetToken().Position.Line
		if seen[key] {
			d.bad(at, "stands here a second time; keep one")
			continue
		}
		seen[key] = true
		each(key, kv.Value, at)
	}
}

func isScalar(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
		return false
	}
	return true
}

var envRef = regexp.MustCompile(`\$\{([^}]*)\}`)

// text hands the scalar's text, with ${NAME} replaced, to set.
func (d *decoder) text(n ast.Node, path string, set func(string) error) {
	if !isScalar(n) {
		d.bad(path, "must be a single value")
		return
	}
	s := n.GetToken().Value
	if _, null := n.(*ast.NullNode); null {
		s = ""
	}
	missing := false
	s = envRef.ReplaceAllStringFunc(s, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := d.env(name)
		if !ok {
			missing = true
			d.bad(path, "the environment variable %s is not set; set it, or use file:PATH", name)
		}
		// Marked, so that a Secret can tell it from text in the file.
		return "\x00" + value
	})
	if missing {
		return
	}
	if err := set(s); err != nil {
		d.bad(path, "%s", err)
	}
}

// unmark removes the marks that text leaves at replaced variables.
func unmark(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func setScalar(v reflect.Value, s string) error {
	s = unmark(s)
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		dur, err := parseDuration(s)
		if err != nil {
			return err
		}
		v.SetInt(int64(dur))
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		switch s {
		case "true", "false":
			v.SetBool(s == "true")
		default:
			return fmt.Errorf("%q is neither true nor false", s)
		}
	case v.CanInt():
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v.OverflowInt(i) {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(i)
	default:
		return fmt.Errorf("cannot hold a %s", v.Type())
	}
	return nil
}

// parseDuration is time.ParseDuration with days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a length of time; write it with a unit, such as 500ms, 30s, 5m, 24h or 14d", s)
	}
	return d, nil
}

func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
		}
	}
	return keys
}

// suggest names the key that was probably meant, or all there are.
func suggest(key string, keys []string) string {
	best, at := 3, ""
	for _, k := range keys {
		if n := distance(key, k); n < best {
			best, at = n, k
		}
	}
	if at != "" {
		return "did you mean " + at + "?"
	}
	sort.Strings(keys)
	return "the keys here are " + strings.Join(keys, ", ")
}

// distance is the number of edits between two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{cost, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}

// Size is a number of bytes, written with a unit.
type Size int

var units = []struct {
	name  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (s *Size) fromText(text string) error {
	for _, u := range units {
		if number, ok := strings.CutSuffix(unmark(text), u.name); ok {
			if n, err := strconv.Atoi(number); err == nil && n >= 0 && n <= 1<<20 {
				*s = Size(n * u.bytes)
				return nil
			}
		}
	}
	return fmt.Errorf("%q is not a size; write it with a unit, such as 512KiB, 64MiB or 1GiB", unmark(text))
}

// Secret is a value that comes from the environment or a file. It prints as
// stars.
type Secret struct{ value, path string }

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return s.value }

// Current gives the secret as it is now: one in a file can be exchanged while
// the process runs.
func (s Secret) Current() (string, error) {
	if s.path == "" {
		return s.value, nil
	}
	return readSecret(s.path)
}

// IsZero reports whether the secret was left out.
func (s Secret) IsZero() bool { return s.value == "" }

func (s Secret) String() string { return "***" }

func (s *Secret) fromText(text string) (err error) {
	if path, ok := strings.CutPrefix(text, "file:"); ok {
		s.path = unmark(path)
		s.value, err = readSecret(s.path)
		return err
	}
	if !strings.Contains(text, "\x00") {
		return errors.New("a secret does not stand in the file; write ${NAME} to take it from the environment, or file:PATH")
	}
	if s.value = unmark(text); s.value == "" {
		return errors.New("the secret is empty")
	}
	return nil
}

func readSecret(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	value := strings.TrimRight(string(b), "\r\n")
	if value == "" {
		return "", fmt.Errorf("the secret in %s is empty", path)
	}
	return value, nil
}

// Percent is a share, written as 80%.
type Percent float64

func (p *Percent) fromText(text string) error {
	n, ok := strings.CutSuffix(unmark(text), "%")
	f, err := strconv.ParseFloat(n, 64)
	if !ok || err != nil || f < 0 || f > 100 {
		return fmt.Errorf("%q is not a share; write it as 80%%", unmark(text))
	}
	*p = Percent(f / 100)
	return nil
}

// Zone is a time zone by its name.
type Zone struct{ *time.Location }

func (z *Zone) fromText(text string) error {
	loc, err := time.LoadLocation(unmark(text))
	if err != nil || text == "" || text == "Local" {
		return fmt.Errorf("%q is not a time zone; use a name such as America/New_York or UTC", unmark(text))
	}
	z.Location = loc
	return nil
}
