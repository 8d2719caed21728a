// Package notifytest is a receiver of pages over real HTTP, for tests and the
// demo: it verifies signatures as a receiver should, drops copies of a page by
// its id, and misbehaves on demand.
package notifytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"chartwire/sinks/notify"
)

// Received is a page as one path of the receiver got it.
type Received struct {
	notify.Page
	Path   string
	First  time.Time // when the first copy came
	Copies int       // how often it came, the first included
}

// Receiver takes pages on every path. It is an http.Handler, safe for
// concurrent use.
type Receiver struct {
	key string

	mu      sync.Mutex
	pages   []*Received
	byID    map[string]*Received
	acked   map[string]bool
	forged  int
	signals []time.Time
	faults  []Fault
	polled  int
	offer   bool
	told    func(Received)
}

// Fault is what the next page meets, instead of or after being taken.
type Fault struct {
	Path    string        // a part of the path; "" any
	Status  int           // answer this and take nothing
	Retry   time.Duration // Retry-After of that answer
	Lost    bool          // take the page, then cut the connection
	Latency time.Duration // take the page, and answer so late
}

// New makes a receiver that knows the key which pages are signed with.
func New(key string) *Receiver {
	return &Receiver{key: key, byID: map[string]*Received{}, acked: map[string]bool{}}
}

// Told makes f be called for every new page.
func (r *Receiver) Told(f func(Received)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = f
}

// OfferPoll makes answers name a URL at which acknowledgement can be asked for.
func (r *Receiver) OfferPoll(offer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offer = offer
}

// Fail makes the next pages meet these faults, one each, in this order.
func (r *Receiver) Fail(faults ...Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, faults...)
}

// Acknowledge says that somebody takes care of a page.
func (r *Receiver) Acknowledge(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked[id] = true
}

// Pages lists the pages taken, without copies, in the order in which they came.
func (r *Receiver) Pages() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Received, len(r.pages))
	for i, p := range r.pages {
		all[i] = *p
	}
	return all
}

// Forged counts requests that were not signed as they should be.
func (r *Receiver) Forged() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.forged
}

// Signals lists when the watchdog was signalled.
func (r *Receiver) Signals() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Time(nil), r.signals...)
}

// Polled counts the questions about acknowledgement.
func (r *Receiver) Polled() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.polled
}

// ServeHTTP takes one page, signal or question.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	id, err := notify.Verify(r.key, req.Header, body, time.Now())
	if err != nil {
		r.mu.Lock()
		r.forged++
		r.mu.Unlock()
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	if req.Method == http.MethodGet {
		r.answer(w, id, true)
		return
	}
	fault := r.nextFault(req.URL.Path)
	if fault.Status != 0 {
		if fault.Retry > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int((fault.Retry+time.Second-1)/time.Second)))
		}
		w.WriteHeader(fault.Status)
		return
	}
	if !r.take(id, req.URL.Path, body) {
		http.Error(w, "not a page", http.StatusBadRequest)
		return
	}
	if fault.Latency > 0 {
		t := time.NewTimer(fault.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-req.Context().Done():
		}
	}
	if fault.Lost {
		panic(http.ErrAbortHandler)
	}
	r.answer(w, id, false)
}

// take keeps a page, or counts the copy.
func (r *Receiver) take(id, path string, body []byte) bool {
	if id == "watchdog" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.signals = append(r.signals, time.Now())
		return true
	}
	var p notify.Page
	if json.Unmarshal(body, &p) != nil || p.ID != id {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := id + path
	if old := r.byID[key]; old != nil {
		old.Copies++
		return true
	}
	got := &Received{Page: p, Path: path, First: time.Now(), Copies: 1}
	r.byID[key], r.pages = got, append(r.pages, got)
	if r.told != nil {
		r.told(*got)
	}
	return true
}

func (r *Receiver) answer(w http.ResponseWriter, id string, question bool) {
	r.mu.Lock()
	got := notify.Receipt{Acknowledged: r.acked[id]}
	if r.offer && !question {
		got.Poll = "/status/" + id
	}
	if question {
		r.polled++
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(got)
}

func (r *Receiver) nextFault(path string) Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.faults {
		if strings.Contains(path, f.Path) {
			r.faults = append(r.faults[:i], r.faults[i+1:]...)
			return f
		}
	}
	return Fault{}
}

// Run serves the receiver on l until ctx ends.
func (r *Receiver) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	err := srv.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serving the receiver of pages: %w", err)
}

// T is what Start needs of a *testing.T, so that the package does not link
// package testing into the binary.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start serves the receiver on a free loopback port until the test ends, and
// returns its base URL.
func (r *Receiver) Start(t T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("serving the receiver of pages: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("%v", err)
		}
	})
	return "http://" + l.Addr().String()
}
