package integration_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chartwire/integration/clinic"
	"chartwire/integration/containers"
	"chartwire/integration/servers"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
	"chartwire/sinks/notify/notifytest"
)

const (
	pageKey    = "key-for-signing-pages"
	configName = "chartwire.yaml"
)

// site says what a road is built of. The zero value is MariaDB, the shared
// broker, and 200 patients.
type site struct {
	flavor   servers.Flavor
	args     []string // of the database server
	brokers  string   // "": the shared one
	kafka    string   // the section of the configuration; "": the brokers alone
	patients int
	snapshot string // the section of the sources
	level    string // of the logs
	hold     string // the section of the flow patients
	hubspot  hubspottest.Options
	// wrap sees every request to HubSpot.
	wrap func(http.Handler) http.Handler
	// wrapPages sees every page.
	wrapPages func(http.Handler) http.Handler
}

// road is an installation: a database with the tables of the map packs, Kafka,
// a schema registry, HubSpot, a pager, and the processes that a test starts.
type road struct {
	t       testing.TB
	dir     string
	name    string // of the installation
	brokers string
	db      *servers.DB // nil when it runs in a container
	addr    string      // of the database
	pool    *sql.DB
	sim     *hubspottest.Server
	simAt   string
	pager   *notifytest.Receiver
	gen     *generate.Generator
	env     []string
	procs   []*process
}

var installations atomic.Int32

var zone = func() *time.Location {
	z, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	return z
}()

// newRoad builds everything that a test needs but the processes.
func newRoad(t testing.TB, s site) *road {
	t.Helper()
	if testing.Short() {
		t.Skip("needs real servers: not under -short")
	}
	binary(t) // no command's patience is spent on the build
	r := &road{t: t, dir: t.TempDir(), name: fmt.Sprintf("road-%d", installations.Add(1)), gen: generate.New(seed(t), time.Now().In(zone))}
	r.setDatabase(&s)
	r.setHubSpot(&s)
	if s.brokers == "" {
		s.brokers = r.broker()
	}
	if s.kafka == "" {
		s.kafka = `{brokers: ["${KAFKA}"]}`
	}
	if s.level == "" {
		s.level = "info"
	}
	r.env = append(r.env, "KAFKA="+s.brokers, "OM_PASSWORD="+clinic.ReaderPassword, "HUBSPOT_TOKEN="+hubspottest.DefaultToken, "NOTIFY_KEY="+pageKey)
	r.brokers = s.brokers
	var pager http.Handler = r.pager
	if s.wrapPages != nil {
		pager = s.wrapPages(pager)
	}
	pages := r.serve(pager)
	r.configure(clinic.Config{Installation: r.name, Data: "data", // a relative folder: every process runs in one of its own
		Kafka: s.kafka, Registry: sharedRegistry(t), Address: r.addr, Source: s.snapshot, HubSpot: r.simAt, HubSpotMore: ", timeout: 8s",
		Hold: s.hold, Pages: pages, Sections: "log: {level: " + s.level + "}\n"}.String())
	t.Cleanup(r.close) // before what it needs is stopped
	return r
}

func (r *road) configure(text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, configName), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// broker is the shared one, or one in a container.
func (r *road) broker() string {
	if containers.Chosen() {
		return containers.Kafka(r.t)
	}
	return sharedKafka(r.t)
}

func (r *road) setDatabase(s *site) {
	t := r.t
	t.Helper()
	if s.flavor == (servers.Flavor{}) {
		s.flavor = servers.MariaDB1011
	}
	user, password := "root", ""
	// Tests that need a server's own arguments, or to break it, have a process.
	if containers.Chosen() && s.args == nil {
		start := containers.MariaDB
		if s.flavor.Name == "mysql" {
			start = containers.MySQL
		}
		db := start(t)
		r.addr, user, password = db.Addr, db.User, db.Password
	} else {
		r.db = servers.Database(t, s.flavor, s.args...)
		r.addr, user, password = r.db.Addr, r.db.User, r.db.Password
	}
	dsn := func(database string) string {
		return fmt.Sprintf("%s:%s@tcp(%s)/%s?multiStatements=true&collation=utf8mb4_general_ci", user, password, r.addr, database)
	}
	bare, err := sql.Open("mysql", dsn(""))
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	ddl, err := clinic.DDL(s.flavor.Name == "mariadb")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Exec(ddl); err != nil {
		t.Fatal(err)
	}
	if r.pool, err = sql.Open("mysql", dsn(clinic.Database)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.pool.Close() })
	if s.patients == 0 {
		s.patients = 200
	}
	for left := s.patients; left > 0; left -= 500 {
		r.exec(r.gen.Patients(min(left, 500)))
	}
	r.exec(r.gen.Results(100, 400, true))
	r.exec(generate.Watch)
}

func (r *road) setHubSpot(s *site) {
	s.hubspot.Control = true
	s.hubspot.Seed = seed(r.t)
	r.sim = hubspottest.New(s.hubspot)
	r.pager = notifytest.New(pageKey)
	var h http.Handler = r.sim
	if s.wrap != nil {
		h = s.wrap(h)
	}
	r.simAt = r.serve(h)
}

// serve serves a handler on a loopback port until the test ends.
func (r *road) serve(h http.Handler) string {
	r.t.Helper()
	url, stop, err := clinic.Serve(h)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(stop)
	return url
}

func (r *road) exec(statement string) {
	r.t.Helper()
	if _, err := r.pool.Exec(statement); err != nil {
		r.t.Fatalf("executing %.60q: %v", statement, err)
	}
}

// provision makes in HubSpot what the maps need.
func (r *road) provision() {
	r.t.Helper()
	if out, code := r.chartwire("check", "--create-properties"); code != 0 {
		r.t.Fatalf("chartwire check --create-properties: exit code %d\n%s", code, out)
	}
}

// close ends the processes, and shows what a failed test needs to be understood.
func (r *road) close() {
	for _, p := range r.procs {
		if r.t.Failed() {
			r.keep(p.name+".status", p.get("/status"))
			r.keep(p.name+".metrics", p.get("/metrics"))
		}
		if p.running() {
			p.stop()
		}
	}
	for _, p := range r.procs {
		log := p.log()
		if strings.Contains(log, "DATA RACE") || strings.Contains(log, "\npanic: ") || strings.Contains(log, "\nfatal error: ") {
			r.t.Errorf("%s:\n%s", p.name, p.worries(80))
		}
		if r.t.Failed() {
			r.t.Logf("log of %s, its warnings and errors:\n%s", p.name, p.worries(8))
			r.keep(p.name+".log", log)
		}
	}
}

// keep writes what a failed test leaves into the folder CHARTWIRE_KEEP.
func (r *road) keep(name, text string) {
	dir := os.Getenv("CHARTWIRE_KEEP")
	if dir == "" {
		return
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, r.name+"-"+name), []byte(text), 0o600)); err != nil {
		r.t.Error(err)
	}
}

// until waits for a condition, and fails with what was waited for.
func (r *road) until(patience time.Duration, what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		for _, p := range r.procs {
			if !p.running() && !p.wanted {
				r.t.Fatalf("%s ended by itself (%v) while waiting until %s", p.name, p.err, what)
			}
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %s until %s, in vain", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
