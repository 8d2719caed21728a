package cdc

import (
	"fmt"
	"time"
)

// Position is a place between two transactions of a source's log, with what is
// needed to recognise the log again: the server it was read from and a
// fingerprint of the last event before it.
type Position struct {
	// GTID is the executed set (MySQL) or the list of last ids per domain
	// (MariaDB) up to the place; empty where the source runs without.
	GTID string `json:"gtid,omitempty"`
	// File and Offset are the place in the log of Server.
	File   string `json:"file,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
	// Server identifies the server that File and Offset belong to.
	Server string `json:"server,omitempty"`
	// Last is the fingerprint of the last transaction before the place.
	Last Fingerprint `json:"fingerprint,omitzero"`
	// Prepared are the transactions before the place that are neither committed
	// nor rolled back, as the source's own text of them.
	Prepared string `json:"prepared,omitempty"`
}

// Fingerprint is what a replica preserves of a transaction: enough to tell
// whether two logs hold the same one under the same name.
type Fingerprint struct {
	GTID  string    `json:"gtid,omitempty"`
	Time  time.Time `json:"time,omitzero"`
	Table string    `json:"table,omitempty"`
	Sum   uint64    `json:"sum,omitempty"` // checksum of the row images
	// Start and Before say where it can be read again: its offset in the
	// position's file, and what GTID was before it, where that is not clear.
	Start  uint64 `json:"start,omitempty"`
	Before string `json:"before,omitempty"`
}

// IsZero reports whether the position is empty: nothing was ever read.
func (p Position) IsZero() bool { return p.GTID == "" && p.File == "" }

// Equal reports whether both are the same, in whatever zone their times are told.
func (p Position) Equal(o Position) bool {
	if p.Last.Time.Equal(o.Last.Time) {
		p.Last.Time = o.Last.Time
	}
	return p == o
}

func (p Position) String() string {
	switch {
	case p.GTID != "":
		return "gtid:" + p.GTID
	case p.File != "":
		return fmt.Sprintf("file:%s:%d", p.File, p.Offset)
	}
	return "start"
}
