package mysql

import (
	"fmt"

	"chartwire/cdc"

	"github.com/go-mysql-org/go-mysql/replication"
)

// oversize says that an event is larger than the memory that it may take, before
// it is in memory.
type oversize struct {
	kind replication.EventType
	size uint64
	most int
}

func (o *oversize) Error() string {
	return fmt.Sprintf("an event of %d bytes, where %d may be held", o.size, o.most)
}

// tooLarge is the halt at an event that is larger than its memory.
func (f *follower) tooLarge(o *oversize) error {
	what, way := "an event", "or read its table again behind it"
	switch _, rows := rowsKindOf(o.kind); {
	case o.kind == replication.TRANSACTION_PAYLOAD_EVENT:
		what = "a compressed transaction"
		way = "or let the source compress no more (SET GLOBAL binlog_transaction_compression=OFF) and read the tables again"
	case rows && f.mapped != "":
		what = "a row of " + f.mapped
	case rows:
		what = "a row"
	}
	return cdc.Haltf(HaltEventSize, "%s near %s has %d bytes, and %d may be held in memory: raise the source's memory to %d MiB or more, %s",
		what, f.at, o.size, o.most, o.size*eventShare>>20+1, way)
}
