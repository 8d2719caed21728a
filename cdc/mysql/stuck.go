package mysql

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"chartwire/cdc"
)

// stuck is a stream that breaks off again and again where it broke off before,
// though its server answers: what comes there cannot be read, or does not get
// through.
type stuck struct {
	times int       // in a row, without any progress
	since time.Time // the first of them
	done  cdc.Checkpoint
	on    string // the server that is read
	at    place  // as far as any of them came on it
}

// stuckTimes and stuckFor are how often, and for how long, what comes may be no
// answer before that is a halt. A connection that ends is tried again for as long
// as a server that is away.
const (
	stuckTimes = 6
	stuckFor   = 15 * time.Second
)

// Stuck says why the stream does not get on, and since when it breaks off at one
// place.
type Stuck struct {
	Times int       `json:"times"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
}

// Stuck is nil unless the stream broke off at one place more than once.
func (s *Source) Stuck() *Stuck { return s.stuck.Load() }

// again counts the failures of a server that was heard, and makes a halt of the
// one too many.
func (st *stream) again(err error, now time.Time) error {
	k := &st.stuck
	on := st.v.identity
	if k.times == 0 || !k.stands(&st.done) || on == k.on && st.f.at.compare(k.at) > 0 {
		*k = stuck{since: now}
	}
	k.times++
	if k.done = st.done; on != k.on || st.f.at.compare(k.at) > 0 {
		k.on, k.at = on, st.f.at
	}
	if k.times == 1 {
		st.s.stuck.Store(nil)
		st.s.metrics.stuck.Set(0)
		return err
	}
	st.s.stuck.Store(&Stuck{k.times, k.since, err.Error()})
	st.s.metrics.stuck.Set(float64(k.times))
	most := st.s.cfg.Patience
	if !cutOff(err) {
		most = min(most, stuckFor)
	}
	var theirs *consumers
	if cdc.HaltCode(err) != "" || errors.As(err, &theirs) || k.times < stuckTimes || now.Sub(k.since) < most {
		return err
	}
	return &cdc.Halt{Code: HaltStuck, Err: err, Text: fmt.Sprintf("reading the log behind %s (%s) broke off %d times in %s without getting on; "+
		"read another server or by another way, or load the tables again", st.done.Position, st.f.at, k.times, now.Sub(k.since).Round(time.Second))}
}

// stands says that the consumer has come no further since the last failure.
func (k *stuck) stands(done *cdc.Checkpoint) bool {
	return k.done.Rows == done.Rows && k.done.Position.Equal(done.Position)
}

// unstuck is told when the stream got on, and when the server has nothing more
// to say.
func (st *stream) unstuck() {
	if st.stuck.times > 0 {
		st.stuck = stuck{}
		st.s.stuck.Store(nil)
		st.s.metrics.stuck.Set(0)
	}
}

// cutOff says that a connection ended, as they do when a network is cut.
func cutOff(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// consumers is an error of who takes what the stream gives: it is no server's,
// and waited for.
type consumers struct{ error }

func (c *consumers) Unwrap() error { return c.error }

// failing counts how often in a row a table could not be read; nil is a success.
func (st *stream) failing(l *load, err error) {
	if err == nil && l.fails == 0 {
		return
	}
	status := st.s.Snapshot()
	if l.fails++; err == nil {
		l.fails, status.Failing = 0, ""
		st.s.metrics.unread.DeleteLabelValues(l.id.String())
	} else {
		status.Failing = fmt.Sprintf("%s could not be read %d times: %v", l.id, l.fails, err)
		st.s.metrics.unread.WithLabelValues(l.id.String()).Set(float64(l.fails))
	}
	st.s.waiting.Store(&status)
}
