package pipeline

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/holds"
	"chartwire/pipeline/lanes"
	"chartwire/pipeline/lease"
	"chartwire/pipeline/shadow"
	"chartwire/sinks"

	"github.com/twmb/franz-go/pkg/kgo"
)

// term is one time of holding the sink. All its state belongs to the goroutine
// of run; readers, calls and the commit in the air send it what they have.
type term struct {
	*Deliver
	p     *lease.Producer
	store *shadow.Store
	queue *lanes.Queue

	partitions []*partition
	held       [len(sinks.Lanes)]int // ledger lines open, by lane
	arrivals   [len(sinks.Lanes)]chan []fetched
	beyond     [len(sinks.Lanes)][]fetched // that wait for a further reach
	failures   chan error                  // of readers

	answers chan answer
	air     [len(sinks.Lanes)]int // calls in the air
	blocked [len(sinks.Lanes)]time.Time
	success time.Time // of the newest call that was answered with one

	// Until doubt, the calls of the holder before may still arrive.
	clean bool
	doubt time.Time

	letters   map[string]*kgo.Record // dead letters and their ends, by key
	marked    bool                   // an offset moved since the last commit
	beaten    bool                   // past a heartbeat
	committed chan error
	saving    *commit // in the air
	last      time.Time

	links linker
	halts map[string]*flowHalt // by flow
	asked chan error           // how Open ended, when a halt may be over
	ask   asking
	begin func(flow string) // begins to read a flow

	flows    map[string]*flowState
	requests chan holds.Request // of people, about flows
	sifted   chan sifted
	aside    func(func(context.Context)) // runs something beside the loop
	board    *holds.Board                // at the start of the term
	acts     []*kgo.Record               // for the audit
	counts   counts
}

// partition is one partition of a topic of mutations.
type partition struct {
	index    int
	topic    string
	number   int32
	flow     string
	lane     sinks.Lane
	from     int64     // where reading starts; -1: at the topic's start
	seen     int64     // the first offset that was not read
	doubtful int64     // offsets below it may have been tried, and their answers lost
	doubt    time.Time // until when a call of them may still arrive, if ours
	reach    int64     // offsets below it may be tried by this one
	asked    int64     // the reach that the next commit brings
	ledger   Ledger[int64]
	beats    []beat
	halted   atomic.Bool
}

// beat is a heartbeat that is seen when the mark has passed it.
type beat struct {
	offset int64
	commit time.Time
}

func (p *partition) mark() int64 {
	if m, ok := p.ledger.Mark(); ok {
		return m
	}
	return p.from
}

// newTerm finds where the holder before left off, and says in Kafka that from
// now on this one may have calls in the air.
func (d *Deliver) newTerm(ctx context.Context, p *lease.Producer, store *shadow.Store, taken time.Time) (*term, error) {
	var limits [len(sinks.Lanes)]lanes.Limit
	for i := range limits {
		limits[i] = d.o.Window
	}
	t := &term{
		Deliver: d, p: p, store: store, queue: lanes.New(limits),
		failures: make(chan error, len(sinks.Lanes)*len(d.o.Flows)), answers: make(chan answer, d.o.Calls),
		committed: make(chan error, 1), letters: map[string]*kgo.Record{}, halts: map[string]*flowHalt{},
		asked:  make(chan error, 1),
		counts: counts{beats: map[string]map[string]time.Time{}}, links: linker{work: map[string]*linkWork{}, loading: true},
	}
	progress := store.Progress()
	// No progress: nobody ever held this sink.
	t.clean = progress.Clean || progress.Time.IsZero()
	// The old holder's last call started before its lease was over, which was
	// before we took it, and may have sent something up to its end.
	t.doubt = d.carried(taken.Add(d.o.CallTimeout))
	if err := errors.Join(t.place(ctx, progress), t.loadHolds(ctx)); err != nil {
		return nil, err
	}
	t.commit(false)
	return t, t.landed(<-t.committed)
}

// doubtMargin is added to the call timeout: for what runs late.
const doubtMargin = 500 * time.Millisecond

// carried is until when the destination has carried out what it was sent by a
// time, whether it could still answer or not. A call is over when Apply returns,
// and not before: it may send more than one request, the last at its very end,
// and a process that was stopped may send the first one there.
func (d *Deliver) carried(sent time.Time) time.Time {
	return sent.Add(d.o.CallTimeout + doubtMargin)
}

// place finds the partitions and where each is to be read from.
func (t *term) place(ctx context.Context, progress shadow.Progress) error {
	var topics []string
	flows, by := map[string]string{}, map[string]sinks.Lane{}
	for _, flow := range t.o.Flows {
		for _, lane := range sinks.Lanes {
			topic := t.o.Topics.Writes(t.o.Sink.Name(), flow, lane.String())
			topics = append(topics, topic)
			flows[topic], by[topic] = flow, lane
		}
	}
	ends, err := broker.Ends(ctx, t.o.Connection, topics...)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		for number, end := range ends[topic] {
			p := &partition{index: len(t.partitions), topic: topic, number: number, flow: flows[topic], lane: by[topic], from: -1}
			if from, ok := progress.Offsets[topic][number]; ok {
				p.from, p.seen = from, from
			}
			if p.from > end {
				return cdc.Haltf("deliver-offset-lost", "topic %s/%d ends at offset %d, and mutations before %d are done: "+
					"it was made anew or lost its end; map the flow again", topic, number, end, p.from)
			}
			if reach, ok := progress.Reach[topic][number]; !t.clean && ok {
				p.doubtful = min(end, reach)
			} else if !t.clean {
				p.doubtful = end
			}
			p.asked = max(max(p.from, 0)+t.ahead, p.doubtful) // what is in doubt stays so for whoever comes next
			t.partitions = append(t.partitions, p)
		}
	}
	return nil
}

// run delivers until ctx ends, the lease is lost or all flows are halted.
func (t *term) run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer func() {
		stop()
		wg.Wait()
		if t.saving != nil { // the producer is not to be left while it commits
			<-t.committed
		}
	}()
	reading, quiet := context.WithCancel(work)
	for _, lane := range sinks.Lanes {
		t.arrivals[lane] = make(chan []fetched)
	}
	t.begin = func(flow string) { t.startReading(reading, &wg, flow) }
	t.aside = func(f func(context.Context)) { wg.Go(func() { f(reading) }) }
	t.startFlows()
	wg.Go(func() {
		if err := t.listen(reading); err != nil && reading.Err() == nil {
			select {
			case t.failures <- err:
			case <-reading.Done():
			}
		}
	})
	t.log.Info("delivering", "partitions", len(t.partitions), "in_doubt", !t.clean)
	err := t.loop(ctx, work, &wg)
	quiet()
	if err != nil && cdc.HaltCode(err) == "" {
		return err
	}
	return errors.Join(err, t.finish())
}

// loop is the life of a term. Nil means that ctx ended.
func (t *term) loop(ctx, work context.Context, wg *sync.WaitGroup) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		if err := t.load(now); err != nil {
			return err
		}
		wake := t.calls(now, work, wg)
		if due := t.commitDue(now); due.IsZero() {
			t.commit(false)
		} else if due.Before(wake) {
			wake = due
		}
		t.report(now)
		t.mayAsk(now, work, wg)
		t.turnFlows(now)
		if err := t.allHalted(); err != nil {
			return err
		}
		timer.Reset(time.Until(wake))
		var in [len(sinks.Lanes)]chan []fetched
		for _, lane := range sinks.Lanes {
			if t.room(lane) {
				in[lane] = t.arrivals[lane]
			}
		}
		var err error
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); errors.Is(cause, lease.ErrLost) {
				return cause
			}
			return nil
		case batch := <-in[sinks.Safety]:
			err = t.arrive(batch)
		case batch := <-in[sinks.Realtime]:
			err = t.arrive(batch)
		case batch := <-in[sinks.Routine]:
			err = t.arrive(batch)
		case batch := <-in[sinks.Backfill]:
			err = t.arrive(batch)
		case a := <-t.answers:
			err = t.answer(a)
		case err = <-t.committed:
			err = t.landed(err)
		case err = <-t.failures:
		case r := <-t.requests:
			t.requested(r)
		case s := <-t.sifted:
			err = t.siftedThrough(s)
		case err = <-t.asked:
			t.answeredHalt(err, time.Now())
			err = nil
		case <-timer.C:
		}
		if err != nil {
			return err
		}
	}
}

// ledgerLines bounds the offsets of a lane that wait for an older one.
const ledgerLines = 200_000

// dirtyEntries bounds what is learned between two commits.
const dirtyEntries = 4000

// room reports whether the lane may bring more.
func (t *term) room(lane sinks.Lane) bool {
	return t.beyond[lane] == nil && !t.queue.Full(lane) && (len(t.links.work) < linkWorks || lane == sinks.Safety) && t.held[lane] < ledgerLines && t.store.Dirty() < dirtyEntries
}

// finish ends the calls in the air and saves what is done.
func (t *term) finish() error {
	late := time.NewTimer(t.o.CallTimeout + doubtMargin)
	defer late.Stop()
	for t.inAir() > 0 {
		select {
		case a := <-t.answers:
			if err := t.answer(a); err != nil {
				return err
			}
		case err := <-t.committed:
			if err := t.landed(err); err != nil {
				return err
			}
		case <-late.C:
			return errors.New("a call did not end within its timeout")
		}
	}
	if t.saving != nil {
		if err := t.landed(<-t.committed); err != nil {
			return err
		}
	}
	for _, fl := range t.flows {
		fl.dirty = fl.dirty || fl.Held // how much waits is saved now and then
	}
	t.commit(!t.doubtful())
	return t.landed(<-t.committed)
}

// doubtful reports whether the destination may hold something that we do not
// know of: then whoever comes next is in doubt too.
func (t *term) doubtful() bool {
	ours := map[string]bool{}
	for _, p := range t.partitions {
		if ours[p.topic] = true; max(p.mark(), 0) < p.doubtful {
			return true
		}
	}
	saved := t.store.Progress()
	for topic, parts := range saved.Reach { // of flows that are not ours now
		for number, reach := range parts {
			if !t.clean && !ours[topic] && saved.Offsets[topic][number] < reach {
				return true
			}
		}
	}
	now := time.Now()
	if now.Before(t.links.doubt) {
		return true
	}
	for _, w := range t.links.work {
		if now.Before(w.doubt) {
			return true
		}
	}
	return t.queue.Doubts() > 0
}

func (t *term) inAir() (n int) {
	for _, a := range t.air {
		n += a
	}
	return n
}
