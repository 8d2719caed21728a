// Package clinic is the small clinic that the demo and the tests of the whole
// run on: its tables, the rights that are needed there, the configuration a
// user would write for it, and what must stand at its destinations.
package clinic

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"chartwire/schemas/maps"
)

// Database is the name of its database.
const Database = "clinic"

// Reader is the user that Chartwire reads it as.
const Reader = "chartwire"

// ReaderPassword is the password of Reader.
const ReaderPassword = Reader + "-secret"

// DDL makes the database, its tables, and a user with the least rights, as
// `chartwire check` prints them.
func DDL(mariadb bool) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "create database %[1]s; use %[1]s;\n", Database)
	for _, pack := range []string{"om-aggregation", "labs"} {
		text, err := maps.Files.ReadFile(pack + "/reference.sql")
		if err != nil {
			return "", err
		}
		b.Write(text)
	}
	fmt.Fprintf(&b, " %s grant select on %s.* to %s@'%%';\n", ReaderDDL(mariadb), Database, Reader)
	return b.String(), nil
}

// ReaderDDL makes the user that Chartwire reads as, with what it needs to follow
// the log; what it may read is granted by database.
func ReaderDDL(mariadb bool) string {
	monitor := ""
	if mariadb {
		monitor = ", binlog monitor"
	}
	return fmt.Sprintf("create user %[1]s@'%%' identified by '%[2]s'; grant replication slave, replication client%[3]s on *.* to %[1]s@'%%';", Reader, ReaderPassword, monitor)
}

// LabsFlow is the flow of the laboratory's results.
const LabsFlow = "  labs: {maps: [labs/lab_results]}\n"

// Config is a configuration of the clinic. Secrets come from the environment:
// OM_PASSWORD, HUBSPOT_TOKEN, NOTIFY_KEY.
type Config struct {
	Installation string
	Data         string
	Kafka        string // the section
	Registry     string
	Address      string // of the database
	Source       string // more of each source, such as ", snapshot: {…}"
	Sources      string // further sources, a line each
	Flows        string // instead of the clinic's own two, a line each
	HubSpot      string // its URL
	HubSpotMore  string // more of it, such as ", timeout: 8s"
	Pages        string // the URL under which pages are received
	Hold         string // the section of the flow patients; "": its traffic is denser than life
	Sections     string // further ones, such as "log: {level: debug}\n"
}

// String is the configuration as a user would write it.
func (c Config) String() string {
	if c.Hold == "" {
		c.Hold = "{share: 90%, records: 5000}"
	}
	flows := c.Flows
	if flows == "" {
		flows = "  patients: {maps: [om-aggregation/contacts], hold: " + c.Hold + "}\n" + LabsFlow
	}
	return fmt.Sprintf(`installation: %[1]s
data: %[2]s
kafka: %[3]s
registry: %[4]s
sources:
  om: {kind: om-aggregation, address: "%[5]s", database: %[11]s, user: %[12]s, password: "${OM_PASSWORD}", zone: America/New_York%[6]s}
  labs: {kind: labs, address: "%[5]s", database: %[11]s, user: %[12]s, password: "${OM_PASSWORD}", zone: America/New_York%[6]s}
%[13]ssinks:
  hubspot: {url: "%[7]s", token: "${HUBSPOT_TOKEN}", portal: 24117000, share: 90%%%[8]s}
  notify:
    key: ${NOTIFY_KEY}
    link: https://app.hubspot.com/contacts/24117000
    routes:
      default: {url: "%[9]s/page"}
      critical-results: {url: "%[9]s/critical"}
flows:
%[14]s%[10]s`, c.Installation, c.Data, c.Kafka, c.Registry, c.Address, c.Source, c.HubSpot, c.HubSpotMore, c.Pages, c.Sections, Database, Reader, c.Sources, flows)
}

// Serve serves a handler on a free loopback port until stop is called.
func Serve(h http.Handler) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = srv.Close() }, nil
}
