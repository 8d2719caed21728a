package demo

import (
	"context"
	"strings"

	"chartwire/integration/clinic"
	"chartwire/integration/shop"
)

// differences compares HubSpot's records with what the database says.
func (d *demo) differences(ctx context.Context) ([]string, error) {
	diff, err := clinic.Differences(d.pool, d.zone, d.sim, d.pager)
	if err != nil {
		return nil, err
	}
	more, err := d.shopDifferences(ctx)
	return append(diff, more...), err
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
	result := "equal: every contact, deal, product, link, ticket and page is what the tables say, none is there twice"
	if err != nil {
		result = err.Error()
	}
	d.say("\nAfter %s: %d contacts, %d deals, %d products, %d tickets, %d pages, %.0f API calls.\n%s", d.since(), creates, len(d.sim.Records("deals")),
		len(d.sim.Records("products")), len(d.sim.Records("tickets")), len(d.pager.Pages()), d.board.last.calls, result)
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
  mariadb -h 127.0.0.1 -P %[9]d -u test -ptest-secret %[8]s -e "update wp_posts set post_status='wc-on-hold' where ID=46"
  mariadb -h 127.0.0.1 -P %[3]d -u test -ptest-secret %[4]s -e "update omaggregation set City='Athens' where PatNum=1"`,
		d.simURL, addr, d.db.Port, clinic.Database, strings.Join(d.env, " "), d.Binary, d.config, shop.Database, d.shop.db.Port)
}
