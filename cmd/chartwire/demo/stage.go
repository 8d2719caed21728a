package demo

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chartwire/integration/clinic"
	"chartwire/integration/servers"
	"chartwire/integration/shop"
	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
	"chartwire/sinks/notify/notifytest"
)

// stage is everything that the demo runs with: the database, HubSpot, the
// pager, Kafka and the chartwire processes.
type stage struct {
	dir    string
	db     *servers.DB
	pool   *sql.DB
	shop   *store
	sim    *hubspottest.Server
	simURL string
	pager  *notifytest.Receiver
	labs   *generate.Generator // of its own, because the traffic runs beside it
	config string
	env    []string
	http   map[string]string // addresses of the processes, by what they run
	procs  map[string]*process

	stops []func()
}

const pageKey = "demo-key-for-signing-pages"

// set builds the stage and starts Chartwire on it.
func (d *demo) set(ctx context.Context, dir string) (*stage, error) {
	s := &stage{dir: dir, http: map[string]string{}, procs: map[string]*process{}, labs: generate.New(d.Seed+1, d.now)}
	for _, step := range []struct {
		what string
		do   func(context.Context, *stage) error
	}{
		{"MariaDB of a clinic, with its patients", d.setDatabase},
		{"MariaDB of a shop, with what it sells and to whom", d.setShop},
		{"HubSpot stand-in, and a receiver of pages", d.setHubSpot},
		{"embedded Kafka and schema registry", d.setKafka},
		{"chartwire check --create-properties", d.setProperties},
		{"chartwire run", d.setProcesses},
	} {
		began := time.Now()
		if err := step.do(ctx, s); err != nil {
			s.strike()
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
		d.say("   %-49s %5.1f s", step.what, time.Since(began).Seconds())
	}
	return s, nil
}

// strike ends everything in reverse.
func (s *stage) strike() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.stops = nil
}

func (s *stage) onStrike(f func()) { s.stops = append(s.stops, f) }

// startDB starts a MariaDB of this machine, or else one in a container.
func (s *stage) startDB(name string) (*servers.DB, error) {
	start := func() (*servers.DB, error) { return servers.StartDB(servers.MariaDB1011, filepath.Join(s.dir, name)) }
	if !servers.MariaDB1011.Here() && servers.Engine() {
		start = func() (*servers.DB, error) { return servers.StartDBContainer() }
	}
	db, err := start()
	if err == nil {
		s.onStrike(db.Close)
	}
	return db, err
}

func (d *demo) setDatabase(_ context.Context, s *stage) error {
	db, err := s.startDB("clinic")
	if err != nil {
		return err
	}
	s.db = db
	ddl, err := clinic.DDL(true)
	if err != nil {
		return err
	}
	if err := db.Exec(ddl); err != nil {
		return err
	}
	if s.pool, err = db.Open(clinic.Database); err != nil {
		return err
	}
	s.onStrike(func() { _ = s.pool.Close() })
	for left := d.Patients; left > 0; left -= 500 {
		if _, err := s.pool.Exec(d.gen.Patients(min(left, 500))); err != nil {
			return err
		}
	}
	probe := fmt.Sprintf("INSERT INTO omaggregation (PatNum, AggregationKeyID, FName, LName) VALUES (%d, 'AGG-probe', 'Pat', 'Probe')", probePatient)
	if _, err := s.pool.Exec(probe); err != nil {
		return err
	}
	_, err = s.pool.Exec(s.labs.Results(300, 400, true))
	return err
}

func (d *demo) setHubSpot(_ context.Context, s *stage) error {
	s.sim = hubspottest.New(hubspottest.Options{Seed: d.Seed, Control: true, Latency: hubspottest.Latency{Fixed: 30 * time.Millisecond, Tail: 15 * time.Millisecond}})
	s.shop.held = &shop.Account{Sim: s.sim}
	url, err := s.listen(s.sim)
	if err != nil {
		return err
	}
	s.simURL = url
	s.pager = notifytest.New(pageKey)
	pages, err := s.listen(s.pager)
	if err != nil {
		return err
	}
	s.config = filepath.Join(s.dir, "chartwire.yaml")
	s.env = []string{"OM_PASSWORD=" + clinic.ReaderPassword, "SHOP_PASSWORD=" + clinic.ReaderPassword, "HUBSPOT_TOKEN=" + hubspottest.DefaultToken,
		"NOTIFY_KEY=" + pageKey, "CHARTWIRE_SITE_KEY=" + shop.SiteKey}
	port, err := servers.Port()
	if err != nil {
		return err
	}
	// What a user would write; the demo leaves it for reading.
	text := clinic.Config{Installation: "demo", Data: filepath.Join(s.dir, "data"), Kafka: "embedded", Registry: "embedded", Address: s.db.Addr,
		Sources: shop.Source(s.shop.db.Addr, clinic.Reader, "${SHOP_PASSWORD}", ""),
		// One flow for patients and shop: who has an address is asked of both.
		Flows:   shop.Flow("people", "om-aggregation/contacts", "om-aggregation/emails") + clinic.LabsFlow,
		HubSpot: url, Pages: pages, Sections: fmt.Sprintf("site_key: ${CHARTWIRE_SITE_KEY}\nhttp: {address: \"127.0.0.1:%d\"}\n", port)}.String()
	return os.WriteFile(s.config, []byte(text), 0o600)
}

// listen serves a handler until the stage is struck.
func (s *stage) listen(h http.Handler) (string, error) {
	url, stop, err := clinic.Serve(h)
	if err == nil {
		s.onStrike(stop)
	}
	return url, err
}

func (d *demo) setKafka(ctx context.Context, s *stage) error {
	stop, err := d.Services(ctx, filepath.Join(s.dir, "data"))
	if err == nil {
		s.onStrike(stop)
	}
	return err
}

func (d *demo) setProperties(ctx context.Context, s *stage) error {
	out, err := s.command(ctx, d.Binary, "check", "--create-properties")
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, out)
	}
	return nil
}

func (d *demo) setProcesses(_ context.Context, s *stage) error {
	kinds := []string{"run"}
	if d.Break {
		kinds = []string{"capture", "map", "deliver"}
	}
	for _, kind := range kinds {
		if err := s.launch(d.Binary, kind); err != nil {
			return err
		}
	}
	s.onStrike(func() {
		for _, p := range s.procs {
			p.stop()
		}
	})
	return nil
}

func (s *stage) exec(statement string) error {
	_, err := s.pool.Exec(statement)
	return err
}

func (s *stage) execLabs(statement string) error { return s.exec(statement) }

// patients counts the contacts of patients.
func (s *stage) patients() int {
	n := 0
	for _, r := range s.sim.Records("contacts") {
		if r.Properties["open_medical_patient_id"] != "" {
			n++
		}
	}
	return n
}

// safetyTickets counts the tickets that critical results made.
func (s *stage) safetyTickets() int {
	n := 0
	for _, r := range s.sim.Records("tickets") {
		if strings.HasPrefix(r.Properties["chartwire_ticket_key"], "labs/") {
			n++
		}
	}
	return n
}

func (s *stage) logs() string { return filepath.Join(s.dir, "*.log") }
