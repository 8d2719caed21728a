package schemas

import "strings"

// Avro names are [A-Za-z_][A-Za-z0-9_]*. A byte that does not fit becomes "_x"
// and two hexadecimal digits, and so does the "_" of a name that already looks
// like an escape: 25againmetrics is _x325againmetrics. The empty name is _x.

// AvroName escapes any name to an Avro name.
func AvroName(name string) string {
	if name == "" {
		return "_x"
	}
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		digitFirst := i == 0 && '0' <= c && c <= '9'
		if isWord(c) && !digitFirst && !isEscape(name[i:]) && name != "_x" {
			b.WriteByte(c)
			continue
		}
		b.WriteString("_x")
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	return b.String()
}

// ParseAvroName is the inverse of AvroName.
func ParseAvroName(s string) string {
	if s == "_x" {
		return ""
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if isEscape(s[i:]) {
			b = append(b, unhex(s[i+2])<<4|unhex(s[i+3]))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isEscape(s string) bool {
	return len(s) >= 4 && s[0] == '_' && s[1] == 'x' && unhex(s[2]) < 16 && unhex(s[3]) < 16
}
