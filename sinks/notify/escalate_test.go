package notify_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"chartwire/sinks"
	"chartwire/sinks/notify"
	"chartwire/sinks/notify/notifytest"
)

// direct serves the receiver without a socket, for tests in synthetic time.
type direct struct{ r *notifytest.Receiver }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	in := req.Clone(req.Context())
	if req.Body == nil {
		in.Body = io.NopCloser(bytes.NewReader(nil))
	}
	w := httptest.NewRecorder()
	d.r.ServeHTTP(w, in)
	return w.Result(), nil
}

// ward is a sink with a second person on the route of a doctor, in synthetic
// time, running.
func ward(t *testing.T, change func(*notify.Config)) (*notify.Sink, *notifytest.Receiver) {
	t.Helper()
	r := notifytest.New(key)
	cfg := notify.Config{
		Key: func() (string, error) { return key, nil },
		Routes: map[string]notify.Route{
			"default": {URL: "https://desk.example.com/default"},
			"dr-lee":  {URL: "https://pager.example.com/lee", Second: "chief", After: 5 * time.Minute},
			"chief":   {URL: "https://pager.example.com/chief"},
		},
		AckURL:    "https://chartwire.example.com/ack",
		Transport: direct{r},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := notify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, r
}

func run(t *testing.T, s *notify.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func paths(r *notifytest.Receiver) string {
	var all []string
	for _, p := range r.Pages() {
		all = append(all, p.Path)
	}
	return strings.Join(all, " ")
}

func TestSecondPersonIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := ward(t, nil)
		defer run(t, s)()
		mustSend(t, s, page(1, set("route", "dr-lee")))
		time.Sleep(5*time.Minute - 2*time.Second)
		if got := paths(r); got != "/lee" {
			t.Fatalf("before the time: %s", got)
		}
		if st := s.Status(); st.Waiting != 1 || st.Oldest.IsZero() {
			t.Errorf("status %+v", st)
		}
		r.Fail(notifytest.Fault{Path: "chief", Status: 503}, notifytest.Fault{Path: "chief", Status: 429})
		time.Sleep(30 * time.Second)
		if got := paths(r); got != "/lee /chief" {
			t.Fatalf("after the time: %s", got)
		}
		first, second := r.Pages()[0], r.Pages()[1]
		if !second.Escalated || second.Of != first.ID || second.ID == first.ID || second.Title != first.Title {
			t.Errorf("second page %+v", second)
		}
		time.Sleep(time.Hour)
		if st := s.Status(); st.Waiting != 0 || len(r.Pages()) != 2 || r.Pages()[1].Copies != 1 {
			t.Errorf("an hour later: %s, %+v", paths(r), st)
		}
	})
}

func TestAcknowledgedByLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := ward(t, nil)
		defer run(t, s)()
		mustSend(t, s, page(1, set("route", "dr-lee")))
		link := r.Pages()[0].Acknowledge
		visit := func(method, url string) *http.Response {
			w := httptest.NewRecorder()
			s.AckHandler().ServeHTTP(w, httptest.NewRequest(method, url, nil))
			return w.Result()
		}
		if got := visit(http.MethodGet, link); got.StatusCode != http.StatusOK || s.Status().Waiting != 1 {
			t.Errorf("a preview of the link: status %d, waiting %d; it must not acknowledge", got.StatusCode, s.Status().Waiting)
		}
		if got := visit(http.MethodPost, link[:len(link)-1]+"x"); got.StatusCode != http.StatusForbidden {
			t.Errorf("a forged link: status %d", got.StatusCode)
		}
		if got := visit(http.MethodPut, link); got.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("PUT: status %d", got.StatusCode)
		}
		for range 2 {
			if got := visit(http.MethodPost, link); got.StatusCode != http.StatusOK || s.Status().Waiting != 0 {
				t.Errorf("the link: status %d, waiting %d", got.StatusCode, s.Status().Waiting)
			}
		}
		mustSend(t, s, page(1, set("route", "dr-lee"))) // a copy, as after a restart
		time.Sleep(time.Hour)
		if got := paths(r); got != "/lee" {
			t.Errorf("told %s although it was acknowledged", got)
		}
	})
}

func TestAcknowledgedAtTheReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := ward(t, nil)
		defer run(t, s)()
		r.OfferPoll(true)
		mustSend(t, s, page(1, set("route", "dr-lee")))
		time.Sleep(time.Minute)
		if n := r.Polled(); n < 3 || n > 5 {
			t.Errorf("asked %d times in a minute, want every 15 s", n)
		}
		r.Acknowledge(r.Pages()[0].ID)
		time.Sleep(time.Hour)
		if got := paths(r); got != "/lee" || s.Status().Waiting != 0 {
			t.Errorf("told %s, waiting %d", got, s.Status().Waiting)
		}
		mustSend(t, s, page(2, set("route", "dr-lee")))
		r.Acknowledge(r.Pages()[1].ID)
		if got := r.Forged(); got != 0 {
			t.Errorf("%d calls without a right signature", got)
		}
	})
}

func TestRestartForgetsNobody(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "not-yet-there", "pages")
	shared := func(c *notify.Config) { c.Journal = journal }
	synctest.Test(t, func(t *testing.T) {
		s, r := ward(t, shared)
		mustSend(t, s, page(1, set("route", "dr-lee")))
		mustSend(t, s, page(2, set("route", "dr-lee")))
		acknowledge(t, s, r.Pages()[1])

		// The process dies here, in the middle of a line.
		f, err := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"wait":{"page":{"id":"torn`); err != nil {
			t.Fatal(err)
		}
		f.Close()
		again, r2 := ward(t, shared)
		if n := again.Status().Waiting; n != 1 {
			t.Fatalf("%d pages wait, want 1", n)
		}
		defer run(t, again)()
		mustSend(t, again, page(2, set("route", "dr-lee"))) // acknowledged before
		mustSend(t, again, page(3, set("route", "dr-lee"))) // after the torn line
		time.Sleep(10 * time.Minute)
		if got := paths(r2); got != "/lee /lee /chief /chief" {
			t.Errorf("told %s", got)
		}
		for _, p := range r2.Pages() {
			if p.Of == r.Pages()[1].ID {
				t.Error("the second person was told of an acknowledged page")
			}
		}
		info, err := os.Stat(journal)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("journal %v, %v: only its owner may read it", info.Mode(), err)
		}
	})
}

func acknowledge(t *testing.T, s *notify.Sink, p notifytest.Received) {
	t.Helper()
	w := httptest.NewRecorder()
	s.AckHandler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, p.Acknowledge, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("acknowledging: status %d", w.Code)
	}
}

// TestHolderAndStandby has two processes on one journal: what one sends and
// the other hears is known to both, and only one tells the second person.
func TestHolderAndStandby(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "pages")
	shared := func(c *notify.Config) { c.Journal = journal }
	synctest.Test(t, func(t *testing.T) {
		standby, _ := ward(t, shared)
		defer run(t, standby)()
		time.Sleep(2 * time.Second) // it leads
		holder, r := ward(t, shared)
		defer run(t, holder)()
		for n := range 40 {
			mustSend(t, holder, page(n, set("route", "dr-lee")))
		}
		for n, p := range r.Pages() {
			if n%2 == 0 {
				acknowledge(t, standby, p)
			}
		}
		time.Sleep(2 * time.Second)
		for _, s := range []*notify.Sink{holder, standby} {
			if n := s.Status().Waiting; n != 20 {
				t.Errorf("%d pages wait, want 20", n)
			}
		}
		time.Sleep(10 * time.Minute)
		for _, s := range []*notify.Sink{holder, standby} {
			if n := s.Status().Waiting; n != 0 {
				t.Errorf("%d pages wait, want none", n)
			}
		}
		if n := len(r.Pages()); n != 40 {
			t.Errorf("the holder's receiver has %d pages: the leader tells, and that is the standby", n)
		}
	})
}

func TestJournalIsTidied(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "pages")
	long := set("text", strings.Repeat("x", 30<<10))
	synctest.Test(t, func(t *testing.T) {
		s, r := ward(t, func(c *notify.Config) { c.Journal = journal })
		other, _ := ward(t, func(c *notify.Config) { c.Journal = journal })
		defer run(t, s)()
		for n := range 40 {
			w := page(n, set("route", "dr-lee"))
			w.Properties[1] = long
			mustSend(t, s, w)
			if n > 0 {
				acknowledge(t, s, r.Pages()[n])
			}
		}
		time.Sleep(2 * time.Second)
		info, err := os.Stat(journal)
		if err != nil || info.Size() > 100<<10 {
			t.Fatalf("journal of %d bytes, %v, want about one page", info.Size(), err)
		}
		acknowledge(t, other, r.Pages()[0]) // by a process that had the old file open
		time.Sleep(2 * time.Second)
		if n := s.Status().Waiting; n != 0 {
			t.Errorf("%d pages wait after the last was acknowledged elsewhere", n)
		}
	})
}

func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		s, r := ward(t, func(c *notify.Config) {
			c.Watchdog = notify.Watchdog{URL: "https://watch.example.com/ping", Healthy: func() error {
				if ill.Load() {
					return errors.New("no heartbeat for 20 s")
				}
				return nil
			}}
		})
		defer run(t, s)()
		time.Sleep(5*time.Minute + time.Second)
		if n := len(r.Signals()); n != 11 {
			t.Errorf("%d signals in five minutes, want one every 30 s", n)
		}
		ill.Store(true)
		time.Sleep(5 * time.Minute)
		if n := len(r.Signals()); n != 11 {
			t.Errorf("%d signals although the process is ill", n)
		}
	})
}

func TestLanesAndRoom(t *testing.T) {
	s, r := setup(t, func(c *notify.Config) { c.MaxInFlight = 1 })
	r.Fail(notifytest.Fault{Latency: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Apply(ctx, []sinks.Write{page(1)})[0].Err }()
	for deadline := time.Now().Add(time.Minute); s.Status().InFlight == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if s.Reserve(sinks.Routine, time.Now()) == 0 {
		t.Error("a second routine page although one is in the air")
	}
	if s.Reserve(sinks.Safety, time.Now()) != 0 {
		t.Error("a safety page waits behind another")
	}
	cancel()
	<-done
}
