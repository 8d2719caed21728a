package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pace spares the server while tables are read. The stream itself never waits.
type Pace struct {
	// Threads is how many of the server's threads may be running, Chartwire's own
	// workers left out; 0 is no limit.
	Threads int
	// Rows is how many rows are read in a second; 0 is no limit.
	Rows int
	// Replicas are addresses of the server's replicas, and Lag is how far one may
	// be behind. They are asked as the same user.
	Replicas []string
	Lag      time.Duration
	// Hours are those in which tables are read, in Zone; none is all of them.
	Hours []Hours
	Zone  *time.Location
}

// The reasons for a wait.
const (
	waitHours   = "hours"
	waitThreads = "threads"
	waitReplica = "replica"
	waitRate    = "rate"
	waitLook    = "look" // at the server's load, which is not known yet
)

var waitReasons = []string{waitHours, waitThreads, waitReplica, waitRate, waitLook}

// wait is why nothing is read now.
type wait struct {
	reason string // "" for none
	text   string // with numbers
	about  time.Duration
}

// pacer says when parts may be read.
type pacer struct {
	s      *Source
	p      *Pace
	next   time.Time     // of the stream's side: when the rate allows more
	wanted atomic.Bool   // somebody wants to read: the load is looked at
	busy   atomic.Int32  // workers that read
	every  time.Duration // between two looks

	mu     sync.Mutex
	looked time.Time
	load   wait
}

// lookEvery is how often the server's load is looked at while tables are read.
// What was seen is good for a few times that.
const lookEvery = 500 * time.Millisecond

// waits says why nothing may be read now.
func (p *pacer) waits(now time.Time) wait {
	if len(p.p.Hours) > 0 {
		local := now.In(p.p.Zone)
		open := false
		for _, h := range p.p.Hours {
			open = open || h.has(local)
		}
		if !open {
			return wait{waitHours, "for the hours in which tables may be read", time.Second}
		}
	}
	if p.p.Rows > 0 && now.Before(p.next) {
		return wait{waitRate, fmt.Sprintf("because %d rows were read in this second", p.p.Rows), p.next.Sub(now)}
	}
	if !p.looks() {
		return wait{}
	}
	p.wanted.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch old := now.Sub(p.looked); {
	case old > 6*p.every && p.load.reason != "" && old < time.Minute:
		return p.load // what does not answer takes its time to say so
	case old > 6*p.every:
		return wait{waitLook, "for a look at the server's load", p.every / 4}
	}
	return p.load
}

func (p *pacer) looks() bool { return p.p.Threads > 0 || len(p.p.Replicas) > 0 }

// read notes how many rows were read.
func (p *pacer) read(now time.Time, rows int) {
	if p.p.Rows == 0 {
		return
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(time.Duration(rows) * time.Second / time.Duration(p.p.Rows))
}

// most bounds a part, so that the rate is kept within a second.
func (p *pacer) most(rows int) int {
	if p.p.Rows == 0 {
		return rows
	}
	return max(1, min(rows, p.p.Rows/4))
}

// run looks at the load while somebody wants to read, until ctx ends.
func (p *pacer) run(ctx context.Context) {
	conns := map[string]*conn{}
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		if p.wanted.Swap(false) {
			w := p.look(ctx, conns)
			p.mu.Lock()
			p.load, p.looked = w, time.Now()
			p.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks the server and its replicas. What does not answer is waited for.
func (p *pacer) look(ctx context.Context, conns map[string]*conn) wait {
	ask := func(addr string, f func(c *conn) (wait, error)) (w wait, err error) {
		c := conns[addr]
		if c == nil {
			if c, err = p.s.dialTo(ctx, addr); err != nil {
				return w, err
			}
			conns[addr] = c
		}
		if w, err = f(c); err != nil {
			c.close()
			delete(conns, addr)
		}
		return w, err
	}
	if p.p.Threads > 0 {
		w, err := ask(p.s.addr(), p.threads)
		if err != nil {
			w = wait{waitThreads, fmt.Sprintf("because the server does not say how many threads run: %v", err), p.every}
		}
		if w.reason != "" {
			return w
		}
	}
	for _, addr := range p.p.Replicas {
		w, err := ask(addr, func(c *conn) (wait, error) { return p.behind(c, addr) })
		if err != nil {
			w = wait{waitReplica, fmt.Sprintf("because replica %s does not answer: %v", addr, err), p.every}
		}
		if w.reason != "" {
			return w
		}
	}
	return wait{}
}

// threads counts those of others: the question is asked by one of ours.
func (p *pacer) threads(c *conn) (w wait, err error) {
	r, err := c.query("SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil || len(r) == 0 {
		return w, fmt.Errorf("asking how many threads run: %w", err)
	}
	n, err := strconv.Atoi(r[0][1])
	if err != nil {
		return w, err
	}
	if n -= 1 + int(p.busy.Load()); n > p.p.Threads {
		w = wait{waitThreads, fmt.Sprintf("because %d threads of the server are running, and %d may", n, p.p.Threads), p.every}
	}
	return w, nil
}

// behind says how far a replica is behind.
func (p *pacer) behind(c *conn, addr string) (w wait, err error) {
	c.patience(queryTimeout)
	r, err := c.Execute("SHOW REPLICA STATUS")
	if err != nil {
		return w, said(err)
	}
	defer r.Close()
	most, says := 0, false
	for i, f := range r.Fields {
		if name := string(f.Name); !strings.EqualFold(name, "Seconds_Behind_Source") && !strings.EqualFold(name, "Seconds_Behind_Master") {
			continue
		}
		for row := range r.Values {
			text, err := r.GetString(row, i)
			n, bad := strconv.Atoi(text)
			if says = err == nil && bad == nil; !says { // null: it does not replicate
				most = 0
				break
			}
			most = max(most, n)
		}
	}
	switch {
	case !says:
		w = wait{waitReplica, fmt.Sprintf("because replica %s does not replicate, or does not say so", addr), p.every}
	case time.Duration(most)*time.Second > p.p.Lag:
		w = wait{waitReplica, fmt.Sprintf("because replica %s is %ds behind", addr, most), p.every}
	}
	return w, nil
}

// SnapshotStatus is why no rows of tables are read, although some are to be.
type SnapshotStatus struct {
	Waits string    `json:"waits,omitempty"` // "for …" or "because …"; "" when it does not wait
	Since time.Time `json:"since,omitzero"`
	// Failing is the table that could not be read of late, and why.
	Failing string `json:"failing,omitempty"`
	// Warning says that what is left takes longer than the source keeps its log.
	Warning string `json:"warning,omitempty"`
}

// Snapshot says whether the reading of tables waits, and for what.
func (s *Source) Snapshot() SnapshotStatus {
	if w := s.waiting.Load(); w != nil {
		return *w
	}
	return SnapshotStatus{}
}

// waits says whether nothing may be read now, and makes sure of another look
// when that may have changed.
func (st *stream) waits() bool {
	w := st.snap.pace.waits(time.Now())
	st.say(w)
	if w.reason != "" {
		st.wake.Reset(min(max(w.about, time.Millisecond), time.Second))
	}
	return w.reason != ""
}

// say tells what is waited for: as a metric, in the status, and in the log when
// it is another reason than before. The waits that keep a rate are no news.
func (st *stream) say(w wait) {
	s, before := st.s, st.waitsFor
	if w.reason == "" && before == "" {
		return
	}
	status := s.Snapshot()
	if w.reason != before {
		status.Since = time.Now()
		for _, r := range waitReasons {
			s.metrics.waits.WithLabelValues(r).Set(0)
		}
		if w.reason != "" {
			s.metrics.waits.WithLabelValues(w.reason).Set(1)
		}
		news := func(reason string) bool { return reason != "" && reason != waitRate && reason != waitLook }
		switch {
		case news(w.reason):
			st.log.Info("the snapshot waits", "source", s.cfg.Name, "waits", w.text)
		case news(before) && w.reason != waitLook:
			st.log.Info("the snapshot goes on", "source", s.cfg.Name)
		}
	}
	status.Waits, st.waitsFor = w.text, w.reason
	s.waiting.Store(&status)
}
