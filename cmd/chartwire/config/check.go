package config

import (
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chartwire/cdc/mysql"
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// check names what is wrong between and in the values, after decoding.
func (c *Config) check(d *decoder) {
	if !nameForm.MatchString(c.Installation) {
		d.bad("installation", "must be a short name of lower-case letters, digits and dashes, such as clinic-a: it begins the name of every topic")
	}
	c.checkKafka(d)
	for _, name := range sortedKeys(c.Sources) {
		c.checkSource(d, name)
	}
	c.checkKinds(d)
	c.checkSinks(d)
	if len(c.Sources) == 0 {
		d.bad("sources", "name at least one database")
	}
	if len(c.Flows) == 0 {
		d.bad("flows", "name at least one flow, such as `patients: {maps: [om-aggregation/contacts]}`")
	}
	for _, name := range sortedKeys(c.Flows) {
		c.checkFlow(d, name)
	}
	if !c.SiteKey.IsZero() && len(c.SiteKey.Reveal()) < 16 && !d.failed("site_key") {
		d.bad("site_key", "has fewer than 16 characters: guests are named by it, and nobody may guess how")
	}
	if !isAddress(c.HTTP.Address) {
		d.bad("http.address", "must be host:port, such as 127.0.0.1:9464")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		d.bad("log.level", "must be debug, info, warn or error")
	}
	if !slices.Contains([]string{"", "text", "json"}, c.Log.Format) {
		d.bad("log.format", "must be text or json; left out, it is text on a terminal and json elsewhere")
	}
}

func (c *Config) checkKafka(d *decoder) {
	k := c.Kafka
	if !k.Embedded && len(k.Brokers) == 0 {
		d.bad("kafka", "say `kafka: embedded` for a trial on one machine, or name the brokers: [host:port, …]")
	}
	for _, b := range k.Brokers {
		if !isAddress(b) {
			d.bad("kafka.brokers", "%q is not host:port", b)
		}
	}
	if k.TLS != nil && k.TLS.Verify != "" && k.TLS.Verify != "full" {
		d.bad("kafka.tls.verify", "must be full: brokers name each other, so their certificates hold names")
	}
	if k.SASL != nil {
		if !slices.Contains([]string{"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"}, k.SASL.Mechanism) {
			d.bad("kafka.sasl.mechanism", "must be SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
		}
		if k.SASL.User == "" || k.SASL.Password.IsZero() {
			d.bad("kafka.sasl", "needs user and password")
		}
		if k.SASL.Mechanism == "PLAIN" && k.TLS == nil {
			d.bad("kafka.sasl.mechanism", "PLAIN sends the password as it is: add kafka.tls, or use SCRAM-SHA-512")
		}
	}
	// A consumer that was away for longer than a week has lost deletes: it
	// would have to be loaded again.
	if k.Replay < 7*24*time.Hour {
		d.bad("kafka.replay", "must be at least 7d: a consumer that is away longer must load again")
	}
	if k.MaxRecord != 0 && (k.MaxRecord < 4<<20 || k.MaxRecord > 64<<20) {
		d.bad("kafka.max_record", "must be 4MiB to 64MiB; left out, it is 4MiB. Capture and the brokers hold several of them in memory")
	}
	if !c.Registry.Embedded && c.Registry.URL == "" {
		if k.Embedded {
			c.Registry.Embedded = true
		} else {
			d.bad("registry", "say `registry: embedded`, or the URL of your schema registry")
		}
	}
	if c.Registry.URL != "" && !isHTTP(c.Registry.URL) {
		d.bad("registry", "must be an http or https URL")
	}
}

func (c *Config) checkSource(d *decoder, name string) {
	s, at := c.Sources[name], "sources."+name
	if t := s.TLS; t != nil {
		switch t.Verify {
		case "", "full":
		case "ca":
			if t.CA == "" {
				d.bad(at+".tls.verify", "ca needs the authority's certificate in ca: any other would sign for anybody")
			}
		default:
			d.bad(at+".tls.verify", "must be full or ca")
		}
	}
	if !nameForm.MatchString(name) {
		d.bad(at, "the name must be lower-case letters, digits and dashes: it is part of topic names")
	}
	for _, need := range []struct{ key, value, example string }{
		{"kind", s.Kind, "the map pack that fits the database, such as om-aggregation"},
		{"database", s.Database, "the name of the database on the server"},
		{"user", s.User, "the user that `chartwire check` prints the grants for"},
	} {
		if need.value == "" && !d.failed(at+"."+need.key) {
			d.bad(at+"."+need.key, "is missing: %s", need.example)
		}
	}
	checkServers(d, &s, at)
	if s.Password.IsZero() && !d.said(at+".password") {
		d.bad(at+".password", "is missing: ${NAME} from the environment, or file:PATH")
	}
	if s.Zone.Location == nil && !d.said(at+".zone") {
		d.bad(at+".zone", "is missing: DATETIME columns have no zone, so say in which one this database's clocks are, such as America/New_York")
	}
	c.checkSnapshot(d, s.Snapshot, at+".snapshot")
	if d.said(at+".retention") && s.Retention < time.Hour && !d.failed(at+".retention") {
		d.bad(at+".retention", "must be at least 1h; left out, it is 7 days")
	}
	if s.Memory != 0 && (s.Memory < 128<<20 || s.Memory > 8<<30) {
		d.bad(at+".memory", "must be 128MiB to 8GiB; left out, it is 192MiB. An event of the log, such as a row with its large columns or a compressed transaction, may have a quarter of it")
	}
	for table, columns := range s.Dates {
		for column, policy := range columns {
			if policy != "null" && policy != "raw" && policy != "reject" {
				d.bad(at+".dates."+table+"."+column, "must be null, raw or reject: what becomes of dates that no calendar has")
			}
		}
	}
	if d.said(at+".server_id") && (s.ServerID < 1 || s.ServerID > math.MaxUint32) && !d.failed(at+".server_id") {
		d.bad(at+".server_id", "must be 1 to 4294967295, and nobody else's at the server; left out, it is a random one")
	}
	if s.Partitions < 0 || s.Partitions > 64 {
		d.bad(at+".partitions", "must be 1 to 64; it is fixed when the topics are created")
	}
}

// checkServers looks at where a source is.
func checkServers(d *decoder, s *Source, at string) {
	key, servers := at+".address", s.Servers()
	if d.said(at + ".addresses") {
		key = at + ".addresses"
		if s.Address != "" {
			d.bad(key, "stands in the place of address: say one of them")
		}
	}
	if len(servers) == 0 && !d.failed(key) {
		d.bad(key, "is missing: host:port, such as db1:3306")
	}
	for i, addr := range servers {
		if !isAddress(addr) && !strings.HasPrefix(addr, "/") {
			d.bad(key, "%q is not host:port", addr)
		}
		if slices.Contains(servers[:i], addr) {
			d.bad(key, "%q is named twice", addr)
		}
	}
}

func (c *Config) checkSnapshot(d *decoder, s Snapshot, at string) {
	for _, need := range []struct {
		key  string
		ok   bool
		text string
	}{
		{"workers", s.Workers >= 1 && s.Workers <= mysql.MostWorkers, "1 to 32: each is a connection that reads at full speed"},
		{"chunk_rows", s.ChunkRows >= 1, "at least 1; left out, it is 2000"},
		{"pause", s.Pause >= 0, "0s or more"},
		{"max_threads", s.MaxThreads >= 1, "at least 1; left out, there is no limit"},
		{"max_rows", s.MaxRows >= 1, "at least 1; left out, there is no limit"},
		{"max_lag", s.MaxLag >= time.Second, "at least 1s: replicas tell whole seconds"},
		{"replicas", len(s.Replicas) == 0 || s.MaxLag > 0, "beside max_lag, which says how far they may be behind"},
	} {
		if key := at + "." + need.key; d.said(key) && !need.ok && !d.failed(key) {
			d.bad(key, "must be %s", need.text)
		}
	}
	if s.MaxLag > 0 && len(s.Replicas) == 0 {
		d.bad(at+".max_lag", "name the replicas: [host:port, …]")
	}
	for _, addr := range s.Replicas {
		if !isAddress(addr) {
			d.bad(at+".replicas", "%q is not host:port", addr)
		}
	}
}

func (c *Config) checkFlow(d *decoder, name string) {
	f, at := c.Flows[name], "flows."+name
	if !nameForm.MatchString(name) {
		d.bad(at, "the name must be lower-case letters, digits and dashes")
		return
	}
	if len(f.Maps) == 0 && !d.failed(at+".maps") {
		d.bad(at+".maps", "name at least one map, such as [om-aggregation/contacts]")
	}
	if f.Quiet < time.Second && d.said(at+".quiet") && !d.failed(at+".quiet") {
		d.bad(at+".quiet", "must be at least 1s; left out, it is 1h")
	}
	for _, need := range []struct {
		key     string
		ok      bool
		example string
	}{
		{"records", f.Hold.Records > 0, "at least 1; left out, it is 500"},
		{"share", f.Hold.Share > 0, "more than 0%; left out, it is 1%"},
		{"at_least", f.Hold.AtLeast > 0, "at least 1; left out, it is 50"},
		{"within", f.Hold.Within >= time.Second, "at least 1s; left out, it is 10m"},
	} {
		if key := at + ".hold." + need.key; d.said(key) && !need.ok && !d.failed(key) {
			d.bad(key, "must be %s", need.example)
		}
	}
}

// checkKinds refuses two sources of one kind whose records would have the same
// keys: two clinics with the same patient number are two people.
func (c *Config) checkKinds(d *decoder) {
	first := map[string]string{}
	for _, name := range sortedKeys(c.Sources) {
		s := c.Sources[name]
		other, twice := first[s.Kind]
		if !twice {
			first[s.Kind] = name
			continue
		}
		for _, n := range []string{other, name} {
			if s.Kind != "" && !c.Sources[n].KeyPrefix {
				d.bad("sources."+n, "%s and %s are both of the kind %s: the same id is two people there; set key_prefix: true on both, so that record keys are <source>:<id>", other, name, s.Kind)
			}
		}
	}
}

func (c *Config) checkSinks(d *decoder) {
	if c.Sinks.HubSpot == nil && c.Sinks.Notify == nil {
		d.bad("sinks", "name at least one destination: hubspot or notify")
	}
	if h := c.Sinks.HubSpot; h != nil {
		if h.URL == "" {
			h.URL = "https://api.hubapi.com"
		}
		if !isHTTP(h.URL) {
			d.bad("sinks.hubspot.url", "must be an http or https URL")
		}
		if h.Token.IsZero() && !d.said("sinks.hubspot.token") {
			d.bad("sinks.hubspot.token", "is missing: ${NAME} from the environment, or file:PATH")
		}
		if h.Portal == 0 {
			d.bad("sinks.hubspot.portal", "is missing: the account's number, so that a wrong token cannot write into another account")
		}
		if h.Version == "" {
			h.Version = "2026-09"
		}
		if !slices.Contains([]string{"2026-09", "2026-03", "v3"}, h.Version) {
			d.bad("sinks.hubspot.version", "must be 2026-09, 2026-03 or v3")
		}
		if !d.said("sinks.hubspot.share") {
			h.Share = 0.8
		} else if h.Share < 0.01 && !d.failed("sinks.hubspot.share") {
			d.bad("sinks.hubspot.share", "must be at least 1%%")
		}
	}
	if n := c.Sinks.Notify; n != nil {
		if n.Key.IsZero() && !d.said("sinks.notify.key") {
			d.bad("sinks.notify.key", "is missing: the key that notifications are signed with, ${NAME} or file:PATH")
		} else if len(n.Key.Reveal()) < 16 && !d.failed("sinks.notify.key") {
			d.bad("sinks.notify.key", "has fewer than 16 characters: receivers could not tell a page from a forged one")
		}
		for key, url := range map[string]string{"watchdog": n.Watchdog, "ack_url": n.AckURL} {
			if url != "" && !isHTTP(url) {
				d.bad("sinks.notify."+key, "must be an http or https URL")
			}
		}
		if _, ok := n.Routes["default"]; !ok {
			d.bad("sinks.notify.routes", "needs a route `default`: a critical result without a receiver would be told to nobody")
		}
		for _, name := range sortedKeys(n.Routes) {
			r, at := n.Routes[name], "sinks.notify.routes."+name
			if !isHTTP(r.URL) {
				d.bad(at+".url", "must be an http or https URL")
			}
			if _, ok := n.Routes[r.Second]; r.Second != "" && !ok {
				d.bad(at+".second", "there is no route %q", r.Second)
			}
		}
	}
}

// isAddress says whether s is host:port. Ports have numbers here.
func isAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// failed reports whether something was found wrong with the key already.
func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Key == path })
}

// said reports whether the key stands in the file, right or wrong: what is
// wrong there has been told.
func (d *decoder) said(path string) bool { return d.lines[path] != 0 }

func (d *decoder) sorted() []Problem {
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return a.Line - b.Line })
	return d.problems
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
