package pipeline

import (
	"maps"
	"time"
)

// MapStatus is how far a Map is.
type MapStatus struct {
	Flow    string `json:"flow"`
	Holding bool   `json:"holding"` // false: standing by
	// Trouble is what keeps it from standing by, "" if nothing does.
	Trouble string `json:"trouble,omitempty"`
	// Rebuilding says that the topics are being read up to the cut that was the
	// newest at the start; until then nothing is mapped.
	Rebuilding bool                       `json:"rebuilding,omitempty"`
	Sources    map[string]MapSourceStatus `json:"sources,omitempty"`
	// Remapping names the maps that changed and whose entities are still being
	// mapped again.
	Remapping []string `json:"remapping,omitempty"`
	// Days holds by map, of those that read the day, the one that all entities
	// have come to.
	Days map[string]string `json:"days,omitempty"`
	// Swept is the newest epoch whose older rows are gone.
	Swept   int64 `json:"swept,omitempty"`
	Version int64 `json:"version"` // of the last mutation
	Waiting int64 `json:"waiting"` // changes read and not yet mapped
	Bytes   int64 `json:"state_bytes"`
	// Pending are joined entities that changed and wait to be mapped, as far as
	// they are known: not 0 while there are any.
	Pending int64  `json:"pending,omitempty"`
	Halt    string `json:"halt,omitempty"` // why it stopped
	// Misfits say how tables changed that the maps no longer fit: what reads
	// those columns is left as it is.
	Misfits []string `json:"misfits,omitempty"`
}

// MapSourceStatus is how far one source has been mapped.
type MapSourceStatus struct {
	Seq int64 `json:"seq"`
	// Low is the seq up to which joined maps have mapped every change.
	Low int64 `json:"low,omitempty"`
	// Commit is the newest commit time that is mapped, Cut when the newest
	// mapped cut was written.
	Commit time.Time `json:"commit,omitzero"`
	Cut    time.Time `json:"cut,omitzero"`
	// Behind is the time between the newest cut that was read and the newest
	// one that is mapped.
	Behind time.Duration `json:"behind"`
}

// Status is how far the Map is now.
func (m *Map) Status() MapStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	s.Flow, s.Trouble = m.o.Flow, m.trouble.now(m.status.Holding)
	s.Sources = maps.Clone(s.Sources)
	return s
}

func (m *Map) setStatus(change func(*MapStatus)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}
