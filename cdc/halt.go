package cdc

import (
	"errors"
	"fmt"
)

// Halt is an error that stops a stage until a person decides: what is wrong
// will not mend itself, and going on would lose or invent data. Code is stable,
// has a page (`chartwire explain CODE`), and is what alerts match on.
type Halt struct {
	Code string // such as "binlog-purged"
	Text string // what happened, where, and the choices; never a row's values
	Err  error  // the cause, if another error is
	// Alone says that it concerns one table: the others may go on without it.
	// Columns are those of the table that are what is wrong, if some are.
	Alone   bool
	Columns []string
	// At is the position before the transaction of the source that cannot be
	// read, if it is one: what a person may pass over, and nothing else.
	At Position
}

func (h *Halt) Error() string {
	if h.Err != nil {
		return fmt.Sprintf("%s: %s: %v", h.Code, h.Text, h.Err)
	}
	return h.Code + ": " + h.Text
}

func (h *Halt) Unwrap() error { return h.Err }

// Haltf makes a Halt from a format.
func Haltf(code, format string, args ...any) *Halt {
	return &Halt{Code: code, Text: fmt.Sprintf(format, args...)}
}

// Alone returns the Halt in err's chain if it concerns one table, or nil.
func Alone(err error) *Halt {
	var h *Halt
	if errors.As(err, &h) && h.Alone {
		return h
	}
	return nil
}

// HaltCode returns the code of the Halt in err's chain, or "".
func HaltCode(err error) string {
	var h *Halt
	if errors.As(err, &h) {
		return h.Code
	}
	return ""
}
