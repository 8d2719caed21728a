package cut

import (
	"time"

	"chartwire/cdc"
)

// Marks are last seqs per topic and partition.
type Marks map[string]map[int32]int64

// Cut is the state of a source's capture after a Kafka transaction.
type Cut struct {
	Source     string         `json:"source"`
	Seq        int64          `json:"seq"` // the last seq given
	Checkpoint cdc.Checkpoint `json:"checkpoint"`
	// Commit is the newest commit time read (the source's, corrected), Time
	// when the cut was written, Heartbeat when the source was last heard of.
	Commit time.Time `json:"commit,omitzero"`
	Time   time.Time `json:"time"`
	// Marks are the last seqs of the topic partitions that were written since
	// the cut before; of all of them when Full.
	Marks Marks `json:"marks,omitempty"`
	Full  bool  `json:"full,omitempty"`
	// Partitions are the partition numbers of the row topics, Loads the state
	// of the tables' loads: what changed since the cut before; all when Full.
	Partitions map[string]int           `json:"partitions,omitempty"`
	Loads      map[cdc.TableID]cdc.Load `json:"loads,omitempty"`
	// Transaction is the source transaction in several pieces that lies across
	// this record or ends at it; nil for nearly all.
	Transaction *Transaction `json:"transaction,omitempty"`
	// Halted is why the capture ended, if it cannot read the transaction that
	// follows the checkpoint: in its last record, and gone with the next start.
	Halted *Halted `json:"halted,omitempty"`
	// Epochs are those caused since the cut before; all when Full.
	Epochs []cdc.Epoch `json:"epochs,omitempty"`
	// Asked is how far people's orders are carried out: [cdc.Txn.Asked]. 0 says
	// that this cut carried out none.
	Asked int64 `json:"asked,omitempty"`
	// Orders is the identity of the topic whose offsets Asked is one of: another
	// topic of that name counts anew.
	Orders string `json:"orders,omitempty"`
	// Refused says why nothing came of the newest of them.
	Refused string `json:"refused,omitempty"`
}

// Transaction is a source transaction that comes in pieces, and may be written
// in several Kafka transactions. What follows the record that holds its end may
// be read; until then its rows are there in part.
type Transaction struct {
	ID string `json:"id,omitempty"` // as in the rows' source.gtid
	// Begin is the seq of its first row, 0 when it began under a version that
	// did not say. End is that of its last one, 0 while it goes on.
	Begin int64 `json:"begin,omitempty"`
	End   int64 `json:"end,omitempty"`
}

// Halted is a halt at one transaction of the source.
type Halted struct {
	Code string       `json:"code"`
	Text string       `json:"text"`
	At   cdc.Position `json:"at"` // before the transaction
}

// Inside reports whether the checkpoint lies inside a source transaction: then
// the record is where capture resumes, and no cut to map at.
func (c *Cut) Inside() bool { return c.Checkpoint.Rows > 0 }
