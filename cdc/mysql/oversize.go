package mysql

import (
	"errors"
	"fmt"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"

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
	what, way := "an event", "or skip its transaction and read its tables again"
	switch _, rows := rowsKindOf(o.kind); {
	case o.kind == replication.TRANSACTION_PAYLOAD_EVENT:
		what = "a compressed transaction"
		way = "or let the source compress no more (SET GLOBAL binlog_transaction_compression=OFF), skip this one and read its tables again"
	case rows && f.mapped != "":
		what = "a row of " + f.mapped
	case rows:
		what = "a row"
	}
	return cdc.Haltf(HaltEventSize, "%s near %s has %d bytes, and %d may be held in memory: raise the source's memory to %d MiB or more, %s",
		what, f.at, o.size, o.most, o.size*eventShare>>20+1, way)
}

// inflated makes a halt of a row whose compressed columns are larger than its
// memory, and leaves other errors as they are.
func (st *stream) inflated(t *table, err error) error {
	var l *image.Large
	if !errors.As(err, &l) {
		return err
	}
	return cdc.Haltf(HaltEventSize, "a row of %s near %s has %d bytes or more with its compressed column %s inflated, and %d may be held in memory: raise the source's memory to %d MiB or more, "+
		"take the column out of the field maps, or skip the transaction and read its tables again", t.id, st.f.at, l.Size, l.Column, l.Most, l.Size*eventShare>>20+1)
}
