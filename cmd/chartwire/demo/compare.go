package demo

import (
	"context"
	"fmt"
	"strings"

	"chartwire/schemas/maps/generate"
)

// differences compares HubSpot's records with what the database says.
func (d *demo) differences(context.Context) ([]string, error) {
	want, err := generate.Contacts(d.pool, d.zone)
	if err != nil {
		return nil, err
	}
	got := map[string]map[string]string{}
	var out []string
	for _, r := range d.sim.Records("contacts") {
		key := r.Properties["open_medical_patient_id"]
		if _, twice := got[key]; twice {
			out = append(out, fmt.Sprintf("contact %s is there twice", key))
		}
		got[key] = r.Properties
	}
	for _, line := range generate.Differences(want, got, 20) {
		out = append(out, "contact "+line)
	}
	tickets, err := generate.Tickets(d.pool)
	if err != nil {
		return nil, err
	}
	return append(out, d.ticketDifferences(tickets)...), nil
}

func (d *demo) ticketDifferences(want map[string]bool) (out []string) {
	have := map[string]bool{}
	for _, r := range d.sim.Records("tickets") {
		key := r.Properties["chartwire_ticket_key"]
		if have[key] {
			out = append(out, fmt.Sprintf("ticket %s is there twice", key))
		}
		have[key] = true
		if !want[key] {
			out = append(out, fmt.Sprintf("ticket %s should not be there", key))
		}
	}
	pages := map[string]int{}
	for _, p := range d.pager.Pages() {
		pages[p.ID]++
	}
	critical := 0
	for key := range want {
		if !have[key] {
			out = append(out, fmt.Sprintf("ticket %s is missing", key))
		}
		if strings.Contains(key, "/critical-result:") {
			critical++
		}
	}
	if len(pages) != critical {
		out = append(out, fmt.Sprintf("%d critical results, %d pages", critical, len(pages)))
	}
	return out
}

// compare says whether everything came out equal.
func (d *demo) compare(ctx context.Context) error {
	diff, err := d.differences(ctx)
	if err != nil {
		return err
	}
	if len(diff) == 0 {
		return nil
	}
	d.say("\n   differences:")
	for _, line := range diff {
		d.say("     %s", line)
	}
	return ErrDiffers
}

func (d *demo) summary(err error) {
	contacts, creates := d.sim.Records("contacts"), 0
	for _, r := range contacts {
		if r.Requests > 0 {
			creates++
		}
	}
	result := "equal: every contact, ticket and page is what the tables say, none is there twice"
	if err != nil {
		result = err.Error()
	}
	d.say("\nAfter %s: %d contacts, %d tickets, %d pages, %.0f API calls.\n%s", d.since(), creates, len(d.sim.Records("tickets")),
		len(d.pager.Pages()), d.board.last.calls, result)
}

// explore says what can be looked at while everything is left running.
func (d *demo) explore() {
	addr := ""
	for _, a := range d.http {
		addr = a
	}
	d.say(`
Left running. Ctrl-C ends it.
  HubSpot's records, and faults to switch on   %[1]s/_sim/
  metrics, readiness                           http://%[2]s/metrics  http://%[2]s/readyz
  the table as a client sees it                mariadb -h 127.0.0.1 -P %[3]d -u test -ptest-secret %[4]s
Try, in another terminal:
  export %[5]s
  %[6]s status --address %[2]s
  %[6]s dlq list -c %[7]s
  mariadb -h 127.0.0.1 -P %[3]d -u test -ptest-secret %[4]s -e "update omaggregation set City='Athens' where PatNum=1"`,
		d.simURL, addr, d.db.Port, database, strings.Join(d.env, " "), d.Binary, d.config)
}
