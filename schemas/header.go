package schemas

import (
	"encoding/binary"
	"fmt"

	"chartwire/cdc"
)

// The headers of every record of a row topic, tombstones included.
const (
	HeaderSeq = "seq" // 8 bytes, big-endian
	HeaderOp  = "op"  // 1 byte: a cdc.Op
)

// AppendSeq appends the value of a HeaderSeq.
func AppendSeq(dst []byte, seq int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(seq)) }

// ParseSeq reads the value of a HeaderSeq.
func ParseSeq(b []byte) (int64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("header %s has %d bytes instead of 8", HeaderSeq, len(b))
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// ParseOp reads the value of a HeaderOp.
func ParseOp(b []byte) (cdc.Op, error) {
	if len(b) == 1 {
		switch op := cdc.Op(b[0]); op {
		case cdc.Create, cdc.Update, cdc.Delete, cdc.Read:
			return op, nil
		}
	}
	return 0, fmt.Errorf("header %s is none of c, u, d, r", HeaderOp)
}
