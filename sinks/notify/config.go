package notify

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"chartwire/sinks/outcall"
)

// DefaultRoute is the route that every configuration has: pages go there for
// want of a better one.
const DefaultRoute = "default"

// Config is where pages go. Zero values get defaults from New.
type Config struct {
	// Routes are the receivers by name; "default" must be one.
	Routes map[string]Route
	// Needs are the routes that the rules name: each must be configured.
	Needs []string
	// Key returns the secret that pages are signed with. It is asked for every
	// page, so that it can be exchanged without a restart.
	Key func() (string, error)
	// Link is the link in pages. {object}, {property} and {key} stand for the
	// record that the page is about, {reference} for an opaque id of it. A key
	// may identify a patient to who knows the numbers: {reference} does not.
	Link string
	// AckURL is where AckHandler is reachable from outside, if it is: pages
	// then carry a link there that acknowledges them.
	AckURL string
	// Journal is a file that keeps what is still to be acknowledged over a
	// restart; "" keeps it in memory only. Processes of one machine share it;
	// on machines of their own each tells the second person of its own pages.
	Journal string

	Watchdog Watchdog

	CallTimeout time.Duration // of one page; 5 s
	MaxInFlight int           // pages in the air; 8

	Transport http.RoundTripper // nil: the network
	Log       *slog.Logger      // nil: discarded
	Metrics   prometheus.Registerer
}

// Route is one receiver of pages.
type Route struct {
	URL string
	// Second is the route that is told when nobody acknowledged within After.
	Second string
	After  time.Duration // 10 min where there is a Second
}

// Watchdog is a service outside that raises an alarm when it no longer hears
// from this process.
type Watchdog struct {
	URL   string        // "": none
	Every time.Duration // 30 s
	// Healthy says why no signal should be sent; nil: always healthy.
	Healthy func() error
}

func (c *Config) setDefaults() {
	if c.CallTimeout == 0 {
		c.CallTimeout = 5 * time.Second
	}
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 8
	}
	if c.Watchdog.Every == 0 {
		c.Watchdog.Every = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	routes := make(map[string]Route, len(c.Routes))
	for name, r := range c.Routes {
		if r.Second != "" && r.After == 0 {
			r.After = 10 * time.Minute
		}
		routes[name] = r
	}
	c.Routes = routes
}

// check says everything that is wrong with the configuration at once.
func (c *Config) check() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("notify: "+format, args...))
	}
	if c.Key == nil {
		bad("no key to sign with: name an environment variable or a file that holds one")
	}
	if _, ok := c.Routes[DefaultRoute]; !ok {
		bad("no route %q: a page without a receiver would be told to nobody", DefaultRoute)
	}
	for _, name := range c.routeNames() {
		r := c.Routes[name]
		if err := outcall.CheckURL(r.URL); err != nil {
			bad("route %s: url: %w", name, err)
		}
		if r.Second == "" {
			continue
		}
		if _, ok := c.Routes[r.Second]; !ok || r.Second == name {
			bad("route %s: second: %q is no other route; there are %s", name, r.Second, strings.Join(c.routeNames(), ", "))
		}
		if r.After < 10*time.Second || r.After > 24*time.Hour {
			bad("route %s: after %s: 10s to 24h, how long the first person has to acknowledge", name, r.After)
		}
	}
	if c.AckURL != "" {
		if err := outcall.CheckURL(c.AckURL); err != nil {
			bad("the URL for acknowledgements: %w", err)
		}
	}
	if c.Watchdog.URL != "" {
		if err := outcall.CheckURL(c.Watchdog.URL); err != nil {
			bad("watchdog: %w", err)
		}
	}
	if c.CallTimeout < 100*time.Millisecond || c.CallTimeout > time.Minute {
		bad("call timeout %s: 100ms to 1m", c.CallTimeout)
	}
	return errors.Join(problems...)
}

func (c *Config) routeNames() []string {
	names := make([]string, 0, len(c.Routes))
	for name := range c.Routes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
