package hubspottest

import (
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	burstWindow = 10 * time.Second
	usageCache  = 5 * time.Minute // how old the answer of the usage call may be
)

// limiter counts requests: per token in a rolling window, per account and day,
// and searches per account and second.
type limiter struct {
	burst  map[string]*window
	search window
	day    string
	daily  int

	usageAt    time.Time // what the usage call last collected
	usageCount int
}

// window holds the times of the requests in a rolling window, oldest first.
type window struct {
	times []time.Time
	head  int
}

// count forgets what has left the window and returns how many remain.
func (w *window) count(now time.Time, length time.Duration) int {
	for w.head < len(w.times) && now.Sub(w.times[w.head]) >= length {
		w.head++
	}
	if w.head > 1024 && w.head*2 > len(w.times) {
		w.times = append(w.times[:0], w.times[w.head:]...)
		w.head = 0
	}
	return len(w.times) - w.head
}

func (w *window) add(now time.Time) { w.times = append(w.times, now) }

// take counts a request, or refuses it: a refused one is not counted. The
// headers are set on every answer but those of search.
func (l *limiter) take(s *Server, h http.Header, q *request) *apiError {
	lim := s.opts.Limits
	now := time.Now()
	if day := now.In(s.zone).Format(time.DateOnly); day != l.day {
		l.day, l.daily = day, 0
	}
	search := q.path.family == "objects" && len(q.path.rest) == 2 && q.path.rest[1] == "search"
	if lim.Daily > 0 && l.daily >= lim.Daily {
		l.headers(s, h, q.token, now, search)
		return tooMany("DAILY")
	}
	if search {
		if lim.Search > 0 {
			if l.search.count(now, time.Second) >= lim.Search {
				return tooMany("SECONDLY")
			}
			l.search.add(now)
		}
		l.daily++
		return nil
	}
	if lim.Burst > 0 {
		w := l.window(q.token)
		if w.count(now, burstWindow) >= lim.Burst {
			l.headers(s, h, q.token, now, search)
			return tooMany("TEN_SECONDLY_ROLLING")
		}
		w.add(now)
	}
	l.daily++
	l.headers(s, h, q.token, now, search)
	return nil
}

func (l *limiter) window(token string) *window {
	if l.burst == nil {
		l.burst = map[string]*window{}
	}
	w := l.burst[token]
	if w == nil {
		w = &window{}
		l.burst[token] = w
	}
	return w
}

func (l *limiter) headers(s *Server, h http.Header, token string, now time.Time, search bool) {
	if search {
		return
	}
	set := func(name string, n int) { h.Set("X-HubSpot-RateLimit-"+name, strconv.Itoa(max(n, 0))) }
	if limit := s.opts.Limits.Daily; limit > 0 {
		set("Daily", limit)
		set("Daily-Remaining", limit-l.daily)
	}
	if limit := s.opts.Limits.Burst; limit > 0 {
		used := l.window(token).count(now, burstWindow)
		set("Interval-Milliseconds", int(burstWindow/time.Millisecond))
		set("Max", limit)
		set("Remaining", limit-used)
		set("Secondly", limit/10)
		set("Secondly-Remaining", min(limit-used, limit/10))
	}
}

// resets is the next midnight of the account's time zone.
func (s *Server) resets(now time.Time) time.Time {
	y, m, d := now.In(s.zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, s.zone)
}

// SpendDaily counts n calls by other applications against the daily limit.
func (s *Server) SpendDaily(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if day := time.Now().In(s.zone).Format(time.DateOnly); day != s.limits.day {
		s.limits.day, s.limits.daily = day, 0
	}
	s.limits.daily += n
}

// SetLatency changes Options.Latency.
func (s *Server) SetLatency(l Latency) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = l
}

// SetToken accepts a token with these scopes; without any, with all.
func (s *Server) SetToken(token string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = scopes
}

// RevokeToken makes a token answer 401.
func (s *Server) RevokeToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
}

// appID is the id that a token's writes carry in property histories.
func appID(token string) string {
	h := fnv.New32a()
	h.Write([]byte(token))
	return strconv.FormatUint(uint64(h.Sum32())%90_000_000+10_000_000, 10)
}

// SourceID is the sourceId that values written with a token carry.
func SourceID(token string) string { return appID(token) }

// needs lists the scopes of which a call must hold one; the first is named in
// the refusal.
func (s *Server) needs(q *request) []string {
	verb := "read"
	switch {
	case q.path.family == "objects" && (strings.HasSuffix(q.URL.Path, "/search") || strings.HasSuffix(q.URL.Path, "/batch/read")):
	case q.Method != http.MethodGet && !strings.HasSuffix(q.URL.Path, "/batch/read"):
		verb = "write"
	}
	o := s.object(q.path)
	switch q.path.family {
	case "objects", "pipelines", "associations":
		if o != nil {
			return append([]string{"crm.objects." + o.name + "." + verb}, o.scopes...)
		}
	case "properties", "property-validations":
		if o != nil {
			return append([]string{"crm.schemas." + o.name + "." + verb}, o.scopes...)
		}
	case "owners":
		return []string{"crm.objects.owners.read"}
	case "schemas":
		return []string{"crm.schemas.custom.read"}
	}
	return nil
}

// mayUse refuses names of sensitive properties to tokens without the scope for
// their level.
func (q *request) mayUse(o *object, verb string, names ...string) *apiError {
	if q.scopes == nil {
		return nil
	}
	for _, name := range names {
		p := o.property(name)
		if p == nil || p.DataSensitivity == "non_sensitive" {
			continue
		}
		need := "crm.objects." + o.name + "." + p.DataSensitivity + "." + verb
		if !slices.Contains(q.scopes, need) && !slices.Contains(q.scopes, need+".v2") {
			return missingScopes([]string{need + ".v2"})
		}
	}
	return nil
}

// object is the object type that a path names, or nil.
func (s *Server) object(p path) *object {
	if len(p.rest) == 0 {
		return nil
	}
	return s.portal.byName[strings.ToLower(p.rest[0])]
}

func (s *Server) objectName(p path) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.object(p); o != nil {
		return o.name
	}
	return ""
}
