package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"chartwire/pipeline/mapping"
	"chartwire/sinks"
)

// The flow's changelog, state.<flow>, holds what the row topics cannot give
// back. It is compacted, and every transaction of Map writes to it:
//
//	progress                              mapProgress
//	latch NUL map NUL rule NUL once       mapLatch
//	once NUL map NUL record               mapOnce
//	was NUL map NUL entity                mapWas
//	refused NUL map NUL entity            mapOpenLetters
//
// Map and source together name a map: its id is "source NUL map".

const progressKey = "progress"

// mapProgress says what is done: everything up to the cuts in it, and nothing
// after them.
type mapProgress struct {
	Version int64                        `json:"version"` // the last one given
	Sources map[string]mapSourceProgress `json:"sources,omitempty"`
	Maps    map[string]mapMapProgress    `json:"maps,omitempty"` // by map id
	// Clocks holds by map id the days of maps that read them.
	Clocks map[string]mapClock `json:"clocks,omitempty"`
	// Swept holds by table (state.Table.Text) the newest epoch whose older rows
	// are gone, and Filled since when the refill after the newest epoch has been
	// complete.
	Swept map[string]int64 `json:"swept,omitempty"`
	// SweptAt holds by table the seq of the cut at which that was done.
	SweptAt map[string]int64     `json:"swept_at,omitempty"`
	Filled  map[string]mapFilled `json:"filled,omitempty"`
	// Sweeping names the tables of which older rows are being taken away: of
	// some the deletion is written.
	Sweeping map[string]bool `json:"sweeping,omitempty"`
	// Retry is the next offset of the topic of retry requests.
	Retry int64     `json:"retry,omitempty"`
	Time  time.Time `json:"time"`
}

type mapSourceProgress struct {
	Seq    int64     `json:"seq"`             // every change up to it is done
	Commit time.Time `json:"commit,omitzero"` // of the cut
	Cut    time.Time `json:"cut,omitzero"`    // when the cut was written
	// Open names the tables (state.Table.Text) whose stream was not whole at
	// the cut.
	Open []string `json:"open,omitempty"`
	// Low is the seq up to which joined maps have mapped every change, and
	// Loading names the tables of theirs that were not whole at the cut.
	Low     int64    `json:"low,omitempty"`
	Loading []string `json:"loading,omitempty"`
	// Part is how far the cut after it is done, when it takes more than one
	// transaction.
	Part *mapPartDone `json:"part,omitempty"`
}

// mapPartDone says that of the changes up to Seq those are done whose entities
// come before or at a place, in the order of tables and keys.
type mapPartDone struct {
	Seq   int64  `json:"seq"`
	Table string `json:"table"` // state.Table.Text
	Key   string `json:"key"`
}

// mapMapProgress is which version of a map the records show.
type mapMapProgress struct {
	Fingerprint string            `json:"fingerprint"`
	Rules       map[string]string `json:"rules,omitempty"` // fingerprints by name
	// Remap says that the entities are being evaluated again: those with keys
	// up to After are done. Write says that their records are written; else
	// only latches are set.
	Remap bool   `json:"remap,omitempty"`
	Write bool   `json:"write,omitempty"`
	After string `json:"after,omitempty"`
	// Silent names the rules whose latches the re-map sets anew.
	Silent []string `json:"silent,omitempty"`
	// Of joined maps: At is After as bytes, since a group's text can be any.
	// Past says that all that have a root are done, and those follow that had
	// one. First says that the re-map is the first after a load: a rule that is
	// fresh fires.
	At    []byte `json:"at,omitempty"`
	Past  bool   `json:"past,omitempty"`
	First bool   `json:"first,omitempty"`
	// Off says that the map rests, by its `while` or `unless`.
	Off bool `json:"off,omitempty"`
}

type mapFilled struct {
	Epoch int64     `json:"epoch"`
	Since time.Time `json:"since"`
}

// mapLatch remembers a rule's condition for one key.
type mapLatch struct {
	On bool `json:"on"`
	// N counts the firings.
	N int64 `json:"n,omitempty"`
	// Cut is the seq of the cut at which it changed: the condition is never
	// evaluated at an earlier one.
	Cut int64 `json:"cut"`
}

// mapOnce holds the first values of a record's write-once properties.
type mapOnce []sinks.Property

func mapID(m *mapping.Map) string { return m.Source + "\x00" + m.Name }

// turnsID is what two maps that take turns have in common: what the one wrote,
// the other finds written.
func turnsID(m *mapping.Map) string {
	if m.Twin != "" && m.Twin < m.Name {
		return m.Source + "\x00" + m.Twin
	}
	return mapID(m)
}

func latchKey(m *mapping.Map, rule, once string) string {
	return strings.Join([]string{"latch", mapID(m), rule, once}, "\x00")
}

func onceKey(m *mapping.Map, record string) string {
	return strings.Join([]string{"once", turnsID(m), record}, "\x00")
}

func bestKey(m *mapping.Map, record string) string {
	return strings.Join([]string{"best", turnsID(m), record}, "\x00")
}

func refusedKey(m *mapping.Map, entity string) string {
	return strings.Join([]string{"refused", mapID(m), entity}, "\x00")
}

func wasKey(m *mapping.Map, entity string) string {
	return strings.Join([]string{"was", turnsID(m), entity}, "\x00")
}

func decodeEntry(key string, b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		kind, _, _ := strings.Cut(key, "\x00") // the rest may identify a person
		return fmt.Errorf("decoding a %s of the changelog: %w", kind, err)
	}
	return nil
}

func encodeEntry(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times: cannot happen
	}
	return b
}
