package pipeline_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/pipeline"
	"chartwire/pipeline/broker/brokertest"
	"chartwire/schemas"
)

// TestCaptureTrouble: a process that cannot reach Kafka says so, instead of
// looking like one that stands by, and nobody is told that somebody else
// captures the source; both are over with the cause.
func TestCaptureTrouble(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	conn := brokertest.Start(t)
	conn.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if away.Load() {
			return nil, errors.New("nobody is there")
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	s := &stand{T: t, conn: conn, topics: schemas.Topics{Prefix: "crm"}, bank: newBank()}
	_, err := pipeline.Reload(t.Context(), pipeline.AmendOptions{Source: "bank", Connection: conn, Topics: s.topics, Fingerprint: "a"})
	if err == nil || errors.Is(err, pipeline.ErrCaptured) {
		t.Errorf("a reload without Kafka: %v", err)
	}
	c := s.run(conn)
	s.await("it says what its trouble is", func() bool { return c.Status().Trouble != "" })
	away.Store(false)
	s.await("it captures", func() bool { return c.Status().Holding })
	standby := s.run(conn)
	s.await("the trouble is over", func() bool { return c.Status().Trouble == "" && standby.Status().Trouble == "" })
}

func (s *stand) await(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("not within two minutes: %s", what)
		}
	}
}
