package brokertest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"chartwire/pipeline/broker"
)

// Road is the way of a client to its brokers: it can be blocked, so that
// nothing passes and nothing fails, as when the process is stopped or the
// network swallows packets, and it can be cut, so that connections end.
type Road struct {
	mu      sync.Mutex
	open    *sync.Cond
	blocked bool
	conns   map[net.Conn]bool
	on      map[int16]func() Passage
}

// Passage is what becomes of a request that [Road.On] was told of.
type Passage int

// The passages.
const (
	Pass   Passage = iota
	Drop           // the request is lost, and the connection ends
	Silent         // the broker gets the request, the client no answer: the connection ends
)

// NewRoad makes an open road, and the configuration that uses it.
func NewRoad(c broker.Config) (*Road, broker.Config) {
	r := &Road{conns: map[net.Conn]bool{}, on: map[int16]func() Passage{}}
	r.open = sync.NewCond(&r.mu)
	c.Dial = r.dial
	return r, c
}

// Block lets nothing pass until Unblock.
func (r *Road) Block() { r.block(true) }

// Unblock lets pass what waited.
func (r *Road) Unblock() { r.block(false) }

func (r *Road) block(b bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = b
	r.open.Broadcast()
}

// Cut ends all connections; new ones can be made.
func (r *Road) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
}

// On asks f about each request of the API key before it is passed on.
func (r *Road) On(key int16, f func() Passage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.on[key] = f
}

func (r *Road) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.blocked {
		r.open.Wait()
	}
}

func (r *Road) dial(ctx context.Context, network, address string) (net.Conn, error) {
	server, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, ours := net.Pipe()
	r.mu.Lock()
	r.conns[server], r.conns[ours] = true, true
	r.mu.Unlock()
	end := func() {
		server.Close()
		ours.Close()
		r.mu.Lock()
		delete(r.conns, server)
		delete(r.conns, ours)
		r.mu.Unlock()
	}
	answers := make(chan struct{}) // closed when no answer may pass any more
	go func() {
		defer end()
		r.requests(server, ours, answers)
	}()
	go func() {
		defer end()
		r.answers(ours, server, answers)
	}()
	return client, nil
}

// requests passes on what the client sends, frame by frame.
func (r *Road) requests(server, client net.Conn, silent chan struct{}) {
	for {
		head := make([]byte, 6) // length, API key
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		rest := make([]byte, binary.BigEndian.Uint32(head)-2)
		if _, err := io.ReadFull(client, rest); err != nil {
			return
		}
		r.wait()
		r.mu.Lock()
		f := r.on[int16(binary.BigEndian.Uint16(head[4:]))]
		r.mu.Unlock()
		pass := Pass
		if f != nil {
			pass = f()
		}
		if pass == Drop {
			return
		}
		if pass == Silent {
			close(silent)
		}
		if _, err := server.Write(append(head, rest...)); err != nil {
			return
		}
		if pass == Silent {
			_, _ = io.ReadFull(server, make([]byte, 4)) // until the broker has answered
			return
		}
	}
}

// answers passes on what the broker sends.
func (r *Road) answers(client, server net.Conn, silent chan struct{}) {
	b := make([]byte, 32<<10)
	for {
		n, err := server.Read(b)
		if err != nil {
			return
		}
		select {
		case <-silent:
			return
		default:
		}
		r.wait()
		if _, err := client.Write(b[:n]); err != nil {
			return
		}
	}
}
