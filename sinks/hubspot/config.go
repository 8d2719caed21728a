package hubspot

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

// Config is one HubSpot account as a destination. Zero values get defaults
// from New.
type Config struct {
	BaseURL string // https://api.hubapi.com
	// Token returns the bearer token (a service key). It is asked again after
	// a minute and when HubSpot refuses the one in use, so that a key can be
	// exchanged without a restart.
	Token func() (string, error)
	// PortalID is the account that is meant. Open halts in any other.
	PortalID   int64
	APIVersion string // one of Versions; 2026-09

	// Share is the part of the account's 10-second limit granted to Chartwire,
	// above 0 up to 1; 0.9.
	Share float64
	// SafetyReserve is the part of that grant which only safety calls use; 0.03.
	SafetyReserve float64
	// DailyReserve is how many calls of the day only safety may use; 10,000,
	// but at most a tenth of the day.
	DailyReserve int

	// CallTimeout bounds an Apply with all the calls it makes; 10 s.
	CallTimeout time.Duration
	// MaxInFlight bounds calls in the air; 16. Safety calls may be two more.
	MaxInFlight int

	// Recheck is how often Run compares Needs with the account anew; 15 min.
	Recheck time.Duration

	// Needs is what the maps need of the account.
	Needs []Need

	// Transport replaces http.DefaultTransport's settings; for proxies and
	// for tests in synthetic time.
	Transport http.RoundTripper

	Log     *slog.Logger          // nil: discarded
	Metrics prometheus.Registerer // nil: not registered
}

// Need is what one map needs of one object.
type Need struct {
	Map    string // for messages, such as "om-aggregation/contacts"
	Object string // such as "contacts"
	Unique string // the property that is the records' key
	// Properties are those that the map writes.
	Properties []NeedProperty
	// Pipelines are those whose labels the map writes, with their stages.
	Pipelines []NeedPipeline
	// Links are those that the map makes.
	Links []NeedLink
	// Update says that the map writes to records that others create: HubSpot's
	// required properties need not be mapped.
	Update bool
}

// NeedProperty is a property that a map writes.
type NeedProperty struct {
	Name    string
	Type    string   // HubSpot's type that the map's value has the form of; "" is not checked
	Options []string // labels or values that the map can write, where it is an enumeration
	PHI     bool     // patient data: needs a sensitive property
	Waived  bool     // patient data in a plain property, allowed by name in the map
}

// NeedLink is a kind of link that a map makes.
type NeedLink struct {
	To    string // object
	Label string // "" for the one without
}

// NeedPipeline is a pipeline and those of its stages that a map writes.
type NeedPipeline struct {
	Label  string
	Stages []string
}

// Versions are the API versions that the path table knows, newest first. v3
// stands for HubSpot's undated API, v4 where that has one.
var Versions = []string{"2026-09", "2026-03", "v3"}

func (c *Config) setDefaults() {
	defaultTo(&c.BaseURL, "https://api.hubapi.com")
	defaultTo(&c.APIVersion, Versions[0])
	defaultTo(&c.Share, 0.9)
	defaultTo(&c.SafetyReserve, 0.03)
	defaultTo(&c.DailyReserve, 10_000)
	defaultTo(&c.CallTimeout, 10*time.Second)
	defaultTo(&c.MaxInFlight, 16)
	defaultTo(&c.Recheck, 15*time.Minute)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check says everything that is wrong with the configuration at once.
func (c *Config) check() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := outcall.CheckURL(c.BaseURL); err != nil {
		bad("hubspot: base URL %q: %w", c.BaseURL, err)
	}
	if c.Token == nil {
		bad("hubspot: no token: name an environment variable or a file that holds a service key")
	}
	if c.PortalID <= 0 {
		bad("hubspot: no portal id: it stands in HubSpot's account menu, and keeps writes out of any other account")
	}
	if !slices.Contains(Versions, c.APIVersion) {
		bad("hubspot: unknown API version %q: %s", c.APIVersion, strings.Join(Versions, ", "))
	}
	if c.Share <= 0 || c.Share > 1 {
		bad("hubspot: share %v: above 0 up to 1, the part of the account's limit that Chartwire may use", c.Share)
	}
	if c.SafetyReserve < 0 || c.SafetyReserve > 0.5 {
		bad("hubspot: safety reserve %v: 0 to 0.5, the part of the share kept for safety calls", c.SafetyReserve)
	}
	if c.DailyReserve < 0 {
		bad("hubspot: daily reserve %d: a number of calls", c.DailyReserve)
	}
	// Bisecting a batch needs about 14 calls inside one timeout; beyond a
	// minute a hung connection holds its records too long.
	if c.CallTimeout < 100*time.Millisecond || c.CallTimeout > time.Minute {
		bad("hubspot: call timeout %s: 100ms to 1m", c.CallTimeout)
	}
	if c.MaxInFlight < 1 || c.MaxInFlight > 100 {
		bad("hubspot: %d calls in flight: 1 to 100", c.MaxInFlight)
	}
	for _, n := range c.Needs {
		if n.Object == "" || n.Unique == "" {
			bad("hubspot: map %s: needs an object and a unique property", n.Map)
		}
	}
	return errors.Join(problems...)
}
