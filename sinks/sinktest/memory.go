package sinktest

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"chartwire/sinks"
)

// Memory is a sink that keeps its records in memory. It behaves as the
// contract says, and misbehaves as a destination would when told to. The zero
// value is ready, but for a sink with a name use NewMemory.
type Memory struct {
	// Set these before the first call.
	SinkName  string        // "memory" if empty
	BatchSize int           // 100 if zero
	Timeout   time.Duration // of a call; 10 s if zero
	Latency   time.Duration // that every call takes

	mu      sync.Mutex
	records map[string]*Stored
	ids     int
	calls   []Call
	faults  []Fault
	refuse  func(sinks.Write) *sinks.Rejected
	unlink  func(sinks.Link) *sinks.Rejected
	store   func(property, value string) string
	blocked [len(sinks.Lanes)]time.Time
	grants  [len(sinks.Lanes)]int
}

// Stored is one record as a Memory holds it.
type Stored struct {
	Record   sinks.Record
	ID       string
	Archived bool
	// Properties are the values held; cleared ones are absent.
	Properties map[string]string
	Links      map[sinks.Link]bool // by far end and label alone
	// Writes counts the writes carried out on the record, repeats included.
	Writes int
}

// Call is one call of Apply.
type Call struct {
	Time   time.Time
	Object string
	Lane   sinks.Lane
	Writes []sinks.Write
	Err    error // of the whole call
}

// NewMemory makes an empty sink of that name.
func NewMemory(name string) *Memory { return &Memory{SinkName: name} }

// Name returns SinkName.
func (m *Memory) Name() string {
	if m.SinkName == "" {
		return "memory"
	}
	return m.SinkName
}

// Batch returns BatchSize.
func (m *Memory) Batch(string) int {
	if m.BatchSize == 0 {
		return 100
	}
	return m.BatchSize
}

// Links returns 2,000.
func (m *Memory) Links() int { return 2000 }

// Open meets a FaultHalt; otherwise it succeeds.
func (m *Memory) Open(ctx context.Context) error {
	if f, ok := m.nextFault(FaultHalt); ok {
		return f.err()
	}
	return ctx.Err()
}

// Reserve refuses a lane that Block has closed, otherwise grants.
func (m *Memory) Reserve(lane sinks.Lane, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wait := m.blocked[lane].Sub(now); wait > 0 {
		return wait
	}
	m.grants[lane]++
	return 0
}

// Apply carries the writes out, or what the next fault says.
func (m *Memory) Apply(ctx context.Context, writes []sinks.Write) []sinks.Result {
	timeout := m.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fault, broken := m.nextFault("")
	wait := m.Latency
	if broken && fault.Kind == FaultSlow {
		wait += fault.Wait
		broken = false
	}
	lost := broken && fault.Kind == FaultLostAnswer
	if broken && !lost {
		return m.record(writes, fault.err(), nil)
	}
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return m.record(writes, &sinks.Unavailable{Unknown: true, Err: err}, nil)
	}
	results := m.apply(writes)
	if lost {
		return m.record(writes, fault.err(), nil)
	}
	return m.record(writes, nil, results)
}

// record notes the call and gives the whole call's error to every write.
func (m *Memory) record(writes []sinks.Write, err error, results []sinks.Result) []sinks.Result {
	call := Call{Time: time.Now(), Writes: writes, Err: err}
	if len(writes) > 0 {
		call.Object, call.Lane = writes[0].Record.Object, writes[0].Lane
	}
	m.mu.Lock()
	m.calls = append(m.calls, call)
	m.mu.Unlock()
	if err != nil {
		results = make([]sinks.Result, len(writes))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

func (m *Memory) apply(writes []sinks.Write) []sinks.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	results := make([]sinks.Result, len(writes))
	for i, w := range writes {
		results[i] = m.write(w)
	}
	return results
}

func (m *Memory) write(w sinks.Write) sinks.Result {
	if m.refuse != nil {
		if r := m.refuse(w); r != nil {
			return sinks.Result{Err: r}
		}
	}
	if len(w.Links) > 0 {
		return m.link(w)
	}
	s, there := m.records[w.Record.ID()]
	if w.Archive {
		if !there {
			return sinks.Result{ID: w.ID}
		}
		s.Archived, s.Writes = true, s.Writes+1
		return sinks.Result{ID: s.ID}
	}
	there = there && !s.Archived
	if w.Existing && !there {
		return sinks.Result{}
	}
	if !there {
		s = m.create(w.Record, s)
	}
	result := sinks.Result{ID: s.ID, New: !there, Stored: map[string]string{}}
	s.Writes++
	for _, p := range w.Properties {
		value := ""
		if p.State == sinks.Set {
			value = p.Value
			if m.store != nil {
				value = m.store(p.Name, value)
			}
			s.Properties[p.Name] = value
		} else {
			delete(s.Properties, p.Name)
		}
		result.Stored[p.Name] = value
	}
	return result
}

// create makes a record. One that was archived comes back as another one, with
// an id of its own, and nothing is linked with it.
func (m *Memory) create(r sinks.Record, old *Stored) *Stored {
	if m.records == nil {
		m.records = map[string]*Stored{}
	}
	m.ids++
	s := &Stored{Record: r, ID: strconv.Itoa(100000 + m.ids), Properties: map[string]string{}, Links: map[sinks.Link]bool{}}
	if old != nil {
		s.Writes = old.Writes
		for _, o := range m.records {
			maps.DeleteFunc(o.Links, func(l sinks.Link, _ bool) bool { return l.To == r })
		}
	}
	m.records[r.ID()] = s
	return s
}

// link carries a write of links out.
func (m *Memory) link(w sinks.Write) sinks.Result {
	s := m.records[w.Record.ID()]
	refused, any := make([]*sinks.Rejected, len(w.Links)), false
	for i, l := range w.Links {
		end, key := m.records[l.To.ID()], sinks.Link{To: l.To, Label: l.Label}
		switch {
		case m.unlink != nil && m.unlink(l) != nil:
			refused[i] = m.unlink(l)
		case !s.is(w.ID) || !end.is(l.ToID):
			refused[i] = &sinks.Rejected{Code: "OBJECT_NOT_FOUND", Class: "missing", Message: "an end is not there"}
		case l.State == sinks.Set:
			s.Links[key] = true
		default:
			delete(s.Links, key)
		}
		any = any || refused[i] != nil
	}
	if !any {
		refused = nil
	}
	return sinks.Result{ID: w.ID, Links: refused}
}

// is reports whether the record is there, by that id.
func (s *Stored) is(id string) bool { return s != nil && !s.Archived && s.ID == id }

// RefuseLinks asks f about every link from now on; what it returns is the
// answer.
func (m *Memory) RefuseLinks(f func(sinks.Link) *sinks.Rejected) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unlink = f
}

// Refuse asks f about every write from now on; what it returns is the answer.
func (m *Memory) Refuse(f func(sinks.Write) *sinks.Rejected) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuse = f
}

// RefuseProperty refuses every write that sets the property to the value.
func (m *Memory) RefuseProperty(property, value string) {
	m.Refuse(func(w sinks.Write) *sinks.Rejected {
		for _, p := range w.Properties {
			if p.Name == property && p.State == sinks.Set && p.Value == value {
				return &sinks.Rejected{Property: property, Code: "INVALID_VALUE", Class: "invalid_value", Message: "the value is not valid", Correlation: "memory"}
			}
		}
		return nil
	})
}

// Normalise makes f the form in which values are kept, as HubSpot lower-cases
// e-mail.
func (m *Memory) Normalise(f func(property, value string) string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.store = f
}

// Block closes a lane in Reserve until then.
func (m *Memory) Block(lane sinks.Lane, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocked[lane] = until
}

// Find returns a copy of what is held of a record, archived or not.
func (m *Memory) Find(r sinks.Record) (Stored, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.records[r.ID()]
	if !ok {
		return Stored{}, false
	}
	return s.clone(), true
}

// Records returns a copy of all records by their ID(), archived ones too.
func (m *Memory) Records() map[string]Stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]Stored, len(m.records))
	for id, s := range m.records {
		all[id] = s.clone()
	}
	return all
}

func (s *Stored) clone() Stored {
	c := *s
	c.Properties, c.Links = maps.Clone(s.Properties), maps.Clone(s.Links)
	return c
}

// Calls lists the calls of Apply so far, in the order in which they ended.
func (m *Memory) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Call(nil), m.calls...)
}

// Grants counts what Reserve granted in a lane.
func (m *Memory) Grants(lane sinks.Lane) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.grants[lane]
}

func (m *Memory) String() string { return fmt.Sprintf("memory sink %s", m.Name()) }
