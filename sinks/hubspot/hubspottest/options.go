package hubspottest

import "time"

// DefaultToken is accepted when Options names no token.
const DefaultToken = "pat-na1-00000000-chartwire-sim"

// Options describes the portal. The zero value is an Enterprise account with
// HubSpot's limits, no latency and no required-property rules.
type Options struct {
	// Tokens are the accepted bearer tokens, each with the scopes it holds;
	// nil scopes are all scopes. Empty: DefaultToken with all scopes.
	Tokens map[string][]string

	PortalID    int64  // default 24117000
	AccountType string // default "STANDARD"; also "DEVELOPER_TEST", "SANDBOX"
	TimeZone    string // of the account, where its day ends; default "US/Eastern"
	Hosting     string // dataHostingLocation; default "na1"

	Limits Limits

	// Seed makes ids, result order, probabilities and latencies repeatable.
	Seed uint64
	// Latency is waited before each answer of the API.
	Latency Latency
	// SearchLag is how long a write stays invisible to search; default 3 s,
	// negative: none.
	SearchLag time.Duration

	// Currencies of the account, for deals and line items; default USD.
	Currencies []string
	// CreateDates lets deals be written with a createdate of one's own: of
	// some accounts one may, of others it is read-only.
	CreateDates bool

	// Required are properties that an administrator made mandatory on create,
	// by object. Only dated versions from 2026-09 on enforce them.
	Required map[string][]string

	// WholeBatchConflicts makes a unique value that is taken refuse its whole
	// batch even if every input has a trace id.
	WholeBatchConflicts bool

	// NoSensitiveData refuses sensitive properties, as a portal does whose
	// administrator has not switched them on.
	NoSensitiveData bool

	// Control serves the page and the control calls under /_sim/.
	Control bool
}

// Limits are the portal's limits. Zero means HubSpot's own for an Enterprise
// account; negative means none.
type Limits struct {
	Burst  int // requests per rolling 10 s and token; 190
	Daily  int // requests per day and account; 1,000,000
	Search int // searches per second and account; 5

	Records      int // per object; 15,000,000
	Properties   int // custom properties per object; 1,000
	Associations int // of one record with those of one object; 10,000
	Labels       int // of the account's own, per pair of objects and direction; 10
}

// Unlimited switches every limit off, for tests of speed.
var Unlimited = Limits{Burst: -1, Daily: -1, Search: -1, Records: -1, Properties: -1, Associations: -1, Labels: -1}

// Latency is how long an answer takes: Fixed, and on top of it an exponential
// tail with the mean Tail, cut at ten times its mean.
type Latency struct {
	Fixed time.Duration
	Tail  time.Duration
}
