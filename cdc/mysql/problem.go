package mysql

import "fmt"

// Problem is one thing at the server that keeps it from being read faithfully.
type Problem struct {
	Code string // stable, such as "binlog-format"
	Text string // what is wrong
	Fix  string // the statement or setting that mends it
	// Warning says that reading works, and what it costs is in Text.
	Warning bool
}

func (p Problem) String() string {
	if p.Fix == "" {
		return p.Code + ": " + p.Text
	}
	return fmt.Sprintf("%s: %s\n    %s", p.Code, p.Text, p.Fix)
}
