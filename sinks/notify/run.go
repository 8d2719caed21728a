package notify

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	"chartwire/cdc"
)

// pollEvery is how often a receiver is asked whether a page is acknowledged.
const pollEvery = 15 * time.Second

// Run tells the second person what the first did not acknowledge, and signals
// the watchdog, until ctx ends.
func (s *Sink) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.escalate(ctx) })
	if s.cfg.Watchdog.URL != "" {
		wg.Go(func() { s.watch(ctx) })
	}
	wg.Wait()
	return nil
}

// await keeps a page that a second person is to be told if nobody acknowledges
// it. A journal that fails holds nothing up: it is logged, and memory keeps it.
func (s *Sink) await(p *Page, r Route, got Receipt) {
	if r.Second == "" || got.Acknowledged {
		return
	}
	now := time.Now()
	o := &open{Page: *p, Second: r.Second, Sent: now, Due: now.Add(r.After), Poll: s.pollURL(r, got.Poll)}
	if err := s.waiting.add(o); err != nil {
		s.metrics.journal.Inc()
		s.cfg.Log.Error("keeping a page for acknowledgement", "err", err)
	}
}

// pollURL takes a receiver's own URL only on the receiver's own host: a page's
// signature is not shown to others.
func (s *Sink) pollURL(r Route, text string) string {
	poll, err := url.Parse(text)
	base, err2 := url.Parse(r.URL)
	if text == "" || err != nil || err2 != nil {
		return ""
	}
	poll = base.ResolveReference(poll)
	if poll.Host != base.Host || poll.Scheme != base.Scheme {
		return ""
	}
	return poll.String()
}

func (s *Sink) escalate(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		poll, due, err := s.waiting.ready(time.Now())
		if err != nil {
			s.metrics.journal.Inc()
			s.cfg.Log.Error("reading what others did about pages, next try in 1s", "err", err)
		}
		var wg sync.WaitGroup
		for _, o := range poll {
			wg.Go(func() { s.poll(ctx, o) })
		}
		for _, o := range due {
			wg.Go(func() { s.tell(ctx, o) })
		}
		wg.Wait()
	}
}

// poll asks the receiver whether somebody takes care.
func (s *Sink) poll(ctx context.Context, o *open) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	key, err := s.cfg.Key()
	if err == nil {
		var got Receipt
		if _, got, err = s.exchange(ctx, http.MethodGet, o.Poll, o.Page.ID, key, nil); err == nil && got.Acknowledged {
			s.acknowledged(o.Page.ID)
			return
		}
	}
	s.waiting.release(o, false)
}

// tell sends the page to the second person, again and again until it is taken.
func (s *Sink) tell(ctx context.Context, o *open) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	key, err := s.cfg.Key()
	if err == nil {
		p := o.Page
		p.Of, p.ID, p.Route, p.Escalated = o.Page.ID, o.Page.ID+"-2", o.Second, true
		_, err = s.post(ctx, o.Second, s.cfg.Routes[o.Second], &p, key)
		if cdc.HaltCode(err) != "" && o.Second != DefaultRoute {
			p.Misrouted, p.Route = o.Second, DefaultRoute
			_, err = s.post(ctx, DefaultRoute, s.cfg.Routes[DefaultRoute], &p, key)
		}
	}
	if err != nil {
		s.metrics.escalated.WithLabelValues(o.Second, "failed").Inc()
		s.cfg.Log.Error("the second person could not be told, next try within "+backoff(o.fails+1).String(), "route", o.Second, "err", err)
		s.waiting.release(o, true)
		return
	}
	s.metrics.escalated.WithLabelValues(o.Second, "told").Inc()
	s.cfg.Log.Warn("nobody acknowledged a page in time: the second person was told", "route", o.Second)
	s.finish(o.Page.ID)
}

// acknowledged ends the wait for a page. It reports false for one that does
// not wait.
func (s *Sink) acknowledged(id string) bool {
	ok := s.finish(id)
	if ok {
		s.metrics.acknowledged.Inc()
	}
	return ok
}

func (s *Sink) finish(id string) bool {
	ok, err := s.waiting.end(id, time.Now())
	if err != nil {
		s.metrics.journal.Inc()
		s.cfg.Log.Error("noting that a page is done", "err", err)
	}
	return ok
}

// watch signals the watchdog while the process is healthy. A signal that does
// not arrive is not repeated before its time: the watchdog counts silence.
func (s *Sink) watch(ctx context.Context) {
	t := time.NewTicker(s.cfg.Watchdog.Every)
	defer t.Stop()
	for {
		err := s.signal(ctx)
		if err != nil && ctx.Err() == nil {
			s.metrics.watchdog.WithLabelValues("silent").Inc()
			s.cfg.Log.Warn("the watchdog was not signalled, next try in "+s.cfg.Watchdog.Every.String(), "err", err)
		} else if err == nil {
			s.metrics.watchdog.WithLabelValues("signalled").Inc()
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (s *Sink) signal(ctx context.Context) error {
	if s.cfg.Watchdog.Healthy != nil {
		if err := s.cfg.Watchdog.Healthy(); err != nil {
			return err
		}
	}
	key, err := s.cfg.Key()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.CallTimeout)
	defer cancel()
	_, _, err = s.exchange(ctx, http.MethodPost, s.cfg.Watchdog.URL, "watchdog", key, []byte(`{"alive":true}`))
	return err
}
