package clinic

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"chartwire/schemas/maps/generate"
	"chartwire/sinks/hubspot/hubspottest"
	"chartwire/sinks/notify/notifytest"
)

// Differences compares what HubSpot and the pager hold with what the database
// says they should: every contact and ticket there once, every page told. The
// tickets need generate.Watch in the database.
func Differences(pool *sql.DB, zone *time.Location, sim *hubspottest.Server, pager *notifytest.Receiver) ([]string, error) {
	want, err := generate.Contacts(pool, zone)
	if err != nil {
		return nil, err
	}
	var out []string
	got := map[string]map[string]string{}
	for _, r := range sim.Records("contacts") {
		key := r.Properties["open_medical_patient_id"]
		if key == "" && r.Properties["woocommerce_customer_id"] != "" {
			continue // a customer of a shop beside the clinic
		}
		if got[key] != nil {
			out = append(out, fmt.Sprintf("contact %s is there twice", key))
		}
		got[key] = r.Properties
	}
	for _, line := range generate.Differences(want, got, 20) {
		out = append(out, "contact "+line)
	}
	tickets, err := generate.Tickets(pool)
	if err != nil {
		return nil, err
	}
	return append(out, ticketDifferences(tickets, sim, pager)...), nil
}

func ticketDifferences(want map[string]bool, sim *hubspottest.Server, pager *notifytest.Receiver) (out []string) {
	have := map[string]bool{}
	for _, r := range sim.Records("tickets") {
		key := r.Properties["chartwire_ticket_key"]
		if have[key] {
			out = append(out, fmt.Sprintf("ticket %s is there twice", key))
		}
		have[key] = true
		if !want[key] {
			out = append(out, fmt.Sprintf("ticket %s should not be there", key))
		}
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
	pages := map[string]int{}
	for _, p := range pager.Pages() {
		if pages[p.ID]++; pages[p.ID] == 2 {
			out = append(out, fmt.Sprintf("page %s came on two ways", p.ID))
		}
	}
	if len(pages) != critical {
		out = append(out, fmt.Sprintf("%d critical results, %d pages", critical, len(pages)))
	}
	return out
}

// EmailDifferences compares the contacts' own e-mail: it is a patient's who alone
// has the address, and nobody's else.
func EmailDifferences(pool *sql.DB, sim *hubspottest.Server) ([]string, error) {
	rows, err := pool.Query(`SELECT CAST(p.PatNum AS CHAR), COALESCE(IF(s.n = 1, s.email, ''), '') FROM omaggregation p LEFT JOIN
 (SELECT LOWER(TRIM(Email)) AS email, COUNT(*) AS n FROM omaggregation WHERE TRIM(Email) <> '' GROUP BY 1) s ON s.email = LOWER(TRIM(p.Email))`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	want := map[string]string{}
	for rows.Next() {
		var key, email string
		if err := rows.Scan(&key, &email); err != nil {
			return nil, err
		}
		want[key] = email
	}
	var out []string
	for _, r := range sim.Records("contacts") {
		key := r.Properties["open_medical_patient_id"]
		if key != "" && r.Properties["email"] != want[key] {
			out = append(out, fmt.Sprintf("contact %s: email is not what the rows say", key))
		}
	}
	return out[:min(len(out), 20)], rows.Err()
}
