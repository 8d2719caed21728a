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
	// Epochs are those caused since the cut before; all when Full.
	Epochs []cdc.Epoch `json:"epochs,omitempty"`
}

// Inside reports whether the checkpoint lies inside a source transaction: then
// the record is where capture resumes, and no cut to map at.
func (c *Cut) Inside() bool { return c.Checkpoint.Rows > 0 }
