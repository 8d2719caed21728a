package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const whole = `installation: clinic-a
data: /var/lib/chartwire
kafka:
  brokers: [k1:9093, k2:9093]
  tls: {ca: ca.pem}
  sasl: {mechanism: SCRAM-SHA-512, user: chartwire, password: "${KAFKA_PASSWORD}"}
  replication: 3
  replay: 30d
registry: https://registry.example
sources:
  om:
    kind: om-aggregation
    address: db1:3306
    database: omaggregation
    user: chartwire
    password: ${OM_PASSWORD}
    zone: America/New_York
sinks:
  hubspot: {token: "${HUBSPOT_TOKEN}", portal: 4711, share: 60%}
  notify:
    key: ${NOTIFY_KEY}
    routes:
      default: {url: "https://pager.example/chartwire", second: lead, after: 5m}
      lead: {url: "https://pager.example/lead"}
flows:
  patients: {maps: [om-aggregation/contacts], quiet: 90m, hold: {share: 2%, within: 1h}}
`

func env(name string) (string, bool) {
	v, ok := map[string]string{"KAFKA_PASSWORD": "k", "OM_PASSWORD": "o", "HUBSPOT_TOKEN": "h", "NOTIFY_KEY": "a-key-of-enough-characters", "SHORT": "n"}[name]
	return v, ok
}

func TestParse(t *testing.T) {
	c, err := Parse("c.yaml", []byte(whole), env)
	if err != nil {
		t.Fatal(err)
	}
	om := c.Sources["om"]
	if om.Password.Reveal() != "o" || om.Zone.String() != "America/New_York" || c.Kafka.Replay != 30*24*time.Hour ||
		c.Sinks.HubSpot.Share != 0.6 || c.Sinks.Notify.Routes["default"].After != 5*time.Minute || c.Kafka.Brokers[1] != "k2:9093" ||
		c.Flows["patients"].Quiet != 90*time.Minute || c.Flows["patients"].Hold != (Hold{Share: .02, Within: time.Hour}) {
		t.Fatalf("got %+v", c)
	}
	if c.Kafka.Embedded || c.Registry.Embedded || c.Registry.URL != "https://registry.example" {
		t.Fatalf("got %+v %+v", c.Kafka, c.Registry)
	}
}

func TestSizes(t *testing.T) {
	f := func(text string, want int, ok bool) {
		t.Helper()
		c, err := Parse("c.yaml", []byte(strings.Replace(whole, "replay: 30d", "max_record: "+text, 1)), env)
		if (err == nil) != ok || ok && int(c.Kafka.MaxRecord) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	f("16MiB", 16<<20, true)
	f("4096KiB", 4<<20, true)
	f("1MiB", 0, false)
	f("1GiB", 0, false)
	f("16", 0, false)
	f("-5MiB", 0, false)
	f("16MB", 0, false)
}

// TestProblems holds that everything wrong is said at once, each with its line.
func TestProblems(t *testing.T) {
	f := func(old, new string, want ...string) {
		t.Helper()
		text := strings.Replace(whole, old, new, 1)
		if text == whole {
			t.Fatalf("%q is not in the file", old)
		}
		_, err := Parse("c.yaml", []byte(text), env)
		var p *Problems
		if !errors.As(err, &p) {
			t.Fatalf("replacing %q: got %v", old, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("replacing %q:\n got %s\nwant %s", old, err, w)
			}
		}
		if len(p.List) != len(want) {
			t.Errorf("replacing %q: %d problems, want %d:\n%s", old, len(p.List), len(want), err)
		}
	}
	f("replication", "replicatoin", "c.yaml:7: kafka.replicatoin: unknown key; did you mean replication?")
	f("    zone: America/New_York\n", "", "sources.om.zone: is missing")
	f("America/New_York", "New York", `c.yaml:17: sources.om.zone: "New York" is not a time zone`)
	f("${OM_PASSWORD}", "hunter2", "c.yaml:16: sources.om.password: a secret does not stand in the file")
	f("${OM_PASSWORD}", "${NOPE}", "c.yaml:16: sources.om.password: the environment variable NOPE is not set")
	f("${OM_PASSWORD}", "file:/nowhere/at/all", "c.yaml:16: sources.om.password: reading the secret")
	f("${NOTIFY_KEY}", "${SHORT}", "c.yaml:21: sinks.notify.key: has fewer than 16 characters")
	f("30d", "30", "c.yaml:8: kafka.replay: \"30\" is not a length of time")
	f("30d", "3d", "c.yaml:8: kafka.replay: must be at least 7d")
	f("{ca: ca.pem}", "{ca: ca.pem, verify: ca}", "c.yaml:5: kafka.tls.verify: must be full")
	f("    zone: America/New_York\n", "    zone: UTC\n    tls: {verify: ca}\n", "c.yaml:18: sources.om.tls.verify: ca needs the authority's certificate")
	f("    zone: America/New_York\n", "    zone: UTC\n    tls: {verify: none}\n", "c.yaml:18: sources.om.tls.verify: must be full or ca")
	f("    zone: America/New_York\n", "    zone: UTC\n    dates: {patient: {birthdate: raw, seen: reject, died: text}}\n", "c.yaml:18: sources.om.dates.patient.died: must be null, raw or reject")
	f("    zone: America/New_York\n", "    zone: UTC\n    dates: {patient: raw}\n", "c.yaml:18: sources.om.dates.patient: must be a section")
	f("    zone: America/New_York\n", "    zone: UTC\n    retention: 1m\n", "c.yaml:18: sources.om.retention: must be at least 1h")
	f("60%", "0.6", `c.yaml:19: sinks.hubspot.share: "0.6" is not a share`)
	f("second: lead", "second: leed", `c.yaml:23: sinks.notify.routes.default.second: there is no route "leed"`)
	f("portal: 4711, ", "", "c.yaml:19: sinks.hubspot.portal: is missing")
	f("SCRAM-SHA-512", "SCRAM", "c.yaml:6: kafka.sasl.mechanism: must be")
	f("90m", "0s", "c.yaml:26: flows.patients.quiet: must be at least 1s")
	f("90m", "90", `c.yaml:26: flows.patients.quiet: "90" is not a length of time`)
	f("2%", "0%", "c.yaml:26: flows.patients.hold.share: must be more than 0%")
	f("within: 1h", "within: 0s, records: 0", "c.yaml:26: flows.patients.hold.within: must be at least 1s", "c.yaml:26: flows.patients.hold.records: must be at least 1")
	f("{share: 2%, within: 1h}", "never", "c.yaml:26: flows.patients.hold: \"never\": say `off`")
	f("  patients: {maps: [om-aggregation/contacts], quiet: 90m, hold: {share: 2%, within: 1h}}\n", "  patients: {maps: []}\n", "c.yaml:26: flows.patients.maps: name at least one map")
	f("installation: clinic-a", "installation: clinic-a\nsite_key: ${SHORT}", "c.yaml:2: site_key: has fewer than 16 characters")
	f("installation: clinic-a", "installation: Clinic A", "c.yaml:1: installation: must be a short name")
	f("sinks:\n", "sinks:\n  hubspot: {}\n", "sinks.hubspot: stands here a second time", "sinks.hubspot.token: is missing", "sinks.hubspot.portal: is missing")
	f("    zone: America/New_York\n", "    zone: UTC\n    snapshot: {workers: 0, max_threads: 0, max_rows: -1, hours: [\"8-18\"]}\n", "snapshot.workers: must be 1 to 32", "snapshot.max_threads: must be at least 1",
		"snapshot.max_rows: must be at least 1", `snapshot.hours[0]: "8-18" are no hours`)
	f("    zone: America/New_York\n", "    zone: UTC\n    snapshot: {replicas: [db2]}\n", "snapshot.replicas: must be beside max_lag", `snapshot.replicas: "db2" is not host:port`)
	f("    zone: America/New_York\n", "    zone: UTC\n    snapshot: {max_lag: 10s}\n", "snapshot.max_lag: name the replicas")
	f("kind: om-aggregation\n", "kind: [a]\n", "c.yaml:12: sources.om.kind: must be a single value")
	f("installation: clinic-a", "installation: [", "not YAML")
	f("address: db1:3306", "adress: db1", "c.yaml:13: sources.om.adress: unknown key; did you mean address?", "sources.om.address: is missing")
	f("address: db1:3306", "address: db1:mysql", `c.yaml:13: sources.om.address: "db1:mysql" is not host:port`)
	f("sinks:\n", "http: {address: \"127.0.0.1:946x\"}\nsinks:\n", "http.address: must be host:port")
	f("address: db1:3306", "addresses: [db1:3306, db2, db1:3306]", `c.yaml:13: sources.om.addresses: "db2" is not host:port`, `sources.om.addresses: "db1:3306" is named twice`)
	f("address: db1:3306", "address: db1:3306\n    addresses: [db2:3306]", "c.yaml:14: sources.om.addresses: stands in the place of address")
	f("address: db1:3306", "addresses: []", "c.yaml:13: sources.om.addresses: is missing")
	f("flows:\n", `  om2: {kind: om-aggregation}
flows:
`, "sinks.om2: unknown key; the keys here are hubspot, notify")
}

func TestTwoOfAKind(t *testing.T) {
	second := strings.Replace(whole, "sinks:\n", `  om2: {kind: om-aggregation, address: "db2:3306", database: d, user: u, password: "${OM_PASSWORD}", zone: UTC}
sinks:
`, 1)
	_, err := Parse("c.yaml", []byte(second), env)
	if err == nil || strings.Count(err.Error(), "key_prefix: true on both") != 2 {
		t.Fatalf("got %v", err)
	}
	second = strings.Replace(second, "zone: UTC", "zone: UTC, key_prefix: true", 1)
	second = strings.Replace(second, "    zone: America/New_York\n", "    zone: America/New_York\n    key_prefix: true\n", 1)
	if _, err := Parse("c.yaml", []byte(second), env); err != nil {
		t.Fatal(err)
	}
}

func TestSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Parse("c.yaml", []byte(strings.Replace(whole, "${OM_PASSWORD}", "file:"+path, 1)), env)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Sources["om"].Password; s.Reveal() != "from-file" || s.String() != "***" {
		t.Fatalf("got %q %s", s.Reveal(), s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("kafka: embedded"))
	f.Add([]byte("a: [1, {b: c}]\n---\nx"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("c.yaml", text, env)
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v, %v", c, err)
		}
	})
}
