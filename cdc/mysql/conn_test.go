package mysql

import (
	"fmt"
	"strings"
	"testing"
)

// The result of a query is the caller's, whatever is asked after it: a table's
// columns once got the names of another's labels.
func TestQueryKeepsItsResult(t *testing.T) {
	r := newRig(t, maria, people+"InnoDB", "people")
	s, err := New(r.cfg)
	must(t, err)
	c, err := s.dial(t.Context())
	must(t, err)
	defer c.Close()
	var kept []rows
	for i := range 20 {
		result, err := c.query(fmt.Sprintf("select repeat('%c', 500), %d", 'a'+i, i))
		must(t, err)
		kept = append(kept, result)
	}
	for i, result := range kept {
		if result[0][0] != strings.Repeat(string(rune('a'+i)), 500) || result[0][1] != fmt.Sprint(i) {
			t.Errorf("result %d became %.9q, %q", i, result[0][0], result[0][1])
		}
	}
}
