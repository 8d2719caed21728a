package mysql

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// place is a file and an offset in a server's log: what leads the visibility
// of a commit, and what marks are made of. It means something only together
// with the server it was read from.
type place struct {
	file   string
	offset uint64
}

func (p place) isZero() bool { return p.file == "" }

func (p place) String() string { return fmt.Sprintf("%s:%d", p.file, p.offset) }

// fileNumber is the number at the end of a log file's name. Names are compared
// by it, not as text: bin.1000000 comes after bin.999999.
func fileNumber(name string) (uint64, bool) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(name[i+1:], 10, 63)
	return n, err == nil
}

// compare orders two places of one server.
func (p place) compare(o place) int {
	if p.file != o.file {
		a, ok1 := fileNumber(p.file)
		b, ok2 := fileNumber(o.file)
		if ok1 && ok2 && a != b {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(p.file, o.file)
	}
	return cmp.Compare(p.offset, o.offset)
}
