package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"chartwire/cdc/mysql"
)

// Config is the whole configuration.
type Config struct {
	// Installation is the prefix of all topics and transactional ids: two
	// installations on one cluster have different ones.
	Installation string `yaml:"installation"`
	// Data is the folder of local state. All of it can be rebuilt from Kafka,
	// except with `kafka: embedded`, whose topics are in it.
	Data  string `yaml:"data"`
	Kafka Kafka  `yaml:"kafka"`
	// Registry is the schema registry.
	Registry Registry          `yaml:"registry"`
	Sources  map[string]Source `yaml:"sources"`
	Sinks    Sinks             `yaml:"sinks"`
	Flows    map[string]Flow   `yaml:"flows"`
	// Maps is a folder whose files replace embedded map files of the same
	// name, or add to them.
	Maps string `yaml:"maps"`
	// SiteKey is the secret that guests are named by: guest(email) in maps.
	// Another key is other names, so it never changes.
	SiteKey Secret `yaml:"site_key"`
	HTTP    HTTP   `yaml:"http"`
	Log     Log    `yaml:"log"`

	fingerprint string
}

// Kafka says where the topics are: `embedded`, or a cluster.
type Kafka struct {
	Embedded    bool          `yaml:"-"`
	Brokers     []string      `yaml:"brokers"`
	TLS         *TLS          `yaml:"tls"`
	SASL        *SASL         `yaml:"sasl"`
	Replication int           `yaml:"replication"`
	Replay      time.Duration `yaml:"replay"`
	// MaxRecord is the largest record: a row before and after its change.
	MaxRecord Size `yaml:"max_record"`
}

func (k *Kafka) fromWord(s string) error {
	if s != "embedded" {
		return fmt.Errorf("%q: say `embedded`, or a section with brokers", s)
	}
	k.Embedded = true
	return nil
}

// TLS is how to trust a server, and be trusted by it.
type TLS struct {
	CA         string `yaml:"ca"`
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ServerName string `yaml:"server_name"`
	// Verify is what of a database's certificate is checked: `full` is the
	// name in it too, `ca` is who signed it, for those that name no host.
	Verify string `yaml:"verify"`
}

// SASL is how to log in to Kafka.
type SASL struct {
	Mechanism string `yaml:"mechanism"`
	User      string `yaml:"user"`
	Password  Secret `yaml:"password"`
}

// Registry is the schema registry: `embedded`, or a URL.
type Registry struct {
	Embedded bool   `yaml:"-"`
	URL      string `yaml:"url"`
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
}

func (r *Registry) fromWord(s string) error {
	if s == "embedded" {
		r.Embedded = true
		return nil
	}
	r.URL = unmark(s)
	return nil
}

// Source is one database.
type Source struct {
	// Kind is the map pack that fits the database, such as om-aggregation.
	Kind    string `yaml:"kind"`
	Address string `yaml:"address"`
	// Addresses stands in Address's place where several servers hold the same
	// log: the first that can be read is.
	Addresses []string `yaml:"addresses"`
	Database  string   `yaml:"database"`
	User      string   `yaml:"user"`
	Password  Secret   `yaml:"password"`
	TLS       *TLS     `yaml:"tls"`
	Zone      Zone     `yaml:"zone"`
	// KeyPrefix makes the keys of records <source>:<id>.
	KeyPrefix  bool `yaml:"key_prefix"`
	ServerID   int  `yaml:"server_id"`
	Partitions int  `yaml:"partitions"`
	// Retention is how long the server must keep its log at least, where the 7
	// days that check asks for cannot be had.
	Retention time.Duration `yaml:"retention"`
	// Memory is how much capturing it takes.
	Memory   Size     `yaml:"memory"`
	Snapshot Snapshot `yaml:"snapshot"`
	// Dates says by table and column what becomes of zero, partial and
	// impossible dates and those before the year 1000: null, which is what holds
	// without, raw (their text in a column of its own) or reject.
	Dates map[string]map[string]string `yaml:"dates"`
}

// Servers are the addresses, however they are said.
func (s *Source) Servers() []string {
	if s.Address != "" {
		return []string{s.Address}
	}
	return s.Addresses
}

// Snapshot paces the first read of tables.
type Snapshot struct {
	ChunkRows int           `yaml:"chunk_rows"`
	Pause     time.Duration `yaml:"pause"`
	// Workers is how many chunks are read at once.
	Workers int `yaml:"workers"`
	// MaxThreads, MaxRows, Replicas and MaxLag are limits above which it waits,
	// and Hours those of the week, in the source's zone, in which it reads.
	MaxThreads int           `yaml:"max_threads"`
	MaxRows    int           `yaml:"max_rows"`
	Replicas   []string      `yaml:"replicas"`
	MaxLag     time.Duration `yaml:"max_lag"`
	Hours      []Hours       `yaml:"hours"`
}

// Hours are some of the week's, such as mon-fri 20:00-06:00.
type Hours struct{ mysql.Hours }

func (h *Hours) fromText(text string) (err error) {
	h.Hours, err = mysql.ParseHours(unmark(text))
	return err
}

// Sinks are the destinations.
type Sinks struct {
	HubSpot *HubSpot `yaml:"hubspot"`
	Notify  *Notify  `yaml:"notify"`
}

// HubSpot is one HubSpot account.
type HubSpot struct {
	URL     string `yaml:"url"`
	Token   Secret `yaml:"token"`
	Portal  int    `yaml:"portal"`
	Version string `yaml:"version"`
	// Share is the part of the account's limits that is ours.
	Share   Percent       `yaml:"share"`
	Timeout time.Duration `yaml:"timeout"`
	// WaivePHI names properties that may take patient data although HubSpot
	// does not hold them as sensitive.
	WaivePHI []string `yaml:"waive_phi"`
}

// Notify is where notifications go.
type Notify struct {
	Key      Secret                 `yaml:"key"`
	Link     string                 `yaml:"link"`
	Routes   map[string]NotifyRoute `yaml:"routes"`
	Watchdog string                 `yaml:"watchdog"`
	// AckURL is where http.address's /ack is reachable from outside: pages
	// then carry a link that acknowledges them.
	AckURL string `yaml:"ack_url"`
}

// NotifyRoute is one receiver of notifications.
type NotifyRoute struct {
	URL string `yaml:"url"`
	// Second is notified when nobody acknowledged within After.
	Second string        `yaml:"second"`
	After  time.Duration `yaml:"after"`
}

// Flow is a set of maps over sources that are mapped together.
type Flow struct {
	Maps []string `yaml:"maps"`
	// Quiet is how long the refill of a table after a gap must have been
	// complete before the rows that did not come again count as deleted.
	Quiet time.Duration `yaml:"quiet"`
	// Hold says what is too much to archive or clear without a person.
	Hold Hold `yaml:"hold"`
}

// Hold is from when on a flow's taking away is a mass change: `off`, or limits.
// What is left out has its default.
type Hold struct {
	Off     bool          `yaml:"-"`
	Records int           `yaml:"records"`
	Share   Percent       `yaml:"share"`
	AtLeast int           `yaml:"at_least"`
	Within  time.Duration `yaml:"within"`
}

func (h *Hold) fromWord(s string) error {
	if s != "off" {
		return fmt.Errorf("%q: say `off`, or a section with share, records, at_least and within", s)
	}
	h.Off = true
	return nil
}

// HTTP is where metrics, health and status are served.
type HTTP struct {
	Address string `yaml:"address"`
}

// Log says how much is logged, and in what form.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Load reads and checks a file. The error is a [*Problems] unless the file
// cannot be read.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, text, os.LookupEnv)
}

// Parse is [Load] of a text, with the environment given.
func Parse(name string, text []byte, env func(string) (string, bool)) (*Config, error) {
	d := &decoder{env: env, lines: map[string]int{}}
	c := defaults()
	d.file(text, c)
	if len(d.problems) == 0 || d.problems[0].Key != "file" {
		c.check(d)
	}
	if len(d.problems) > 0 {
		return nil, &Problems{File: name, List: d.sorted()}
	}
	sum := sha256.Sum256(text)
	c.fingerprint = hex.EncodeToString(sum[:8])
	return c, nil
}

// Fingerprint identifies the text of the file: processes with the same one
// stand by for each other.
func (c *Config) Fingerprint() string { return c.fingerprint }

func defaults() *Config {
	return &Config{
		Data:  "chartwire-data",
		Kafka: Kafka{Replay: 14 * 24 * time.Hour},
		HTTP:  HTTP{Address: "127.0.0.1:9464"},
		Log:   Log{Level: "info"},
	}
}
