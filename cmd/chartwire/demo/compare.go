package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chartwire/integration/clinic"
	"chartwire/integration/servers"
	"chartwire/integration/shop"
)

// differences compares HubSpot's records with what the databases say.
func (d *demo) differences(ctx context.Context) ([]string, error) {
	diff, err := clinic.Differences(d.pool, d.zone, d.sim, d.pager)
	if err != nil {
		return nil, err
	}
	emails, err := clinic.EmailDifferences(d.pool, d.sim)
	if err != nil {
		return nil, err
	}
	more, err := d.shopDifferences(ctx)
	return slices.Concat(diff, emails, more), err
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
	result := "equal: every contact, product, deal, link, ticket and page is what the tables say, none is there twice"
	if err != nil {
		result = err.Error()
	}
	d.say("\nAfter %s: %d contacts, %d products, %d deals, %d tickets, %d pages, %.0f API calls.\n%s", d.since(), d.there("contacts"), d.there("products"), d.there("deals"),
		d.there("tickets"), len(d.pager.Pages()), d.board.last.calls, result)
}

// there counts the records of an object that are not archived.
func (s *stage) there(object string) int {
	n := s.sim.Totals(object)
	return n.Created - n.Archived
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
  the clinic's tables as a client sees them    %[3]s
  the shop's tables                            %[4]s
Try, in another terminal:
  export %[5]s
  %[6]s status --address %[2]s
  %[6]s dlq list -c %[7]s
  %[6]s maps explain woocommerce/orders-legacy %[8]s -c %[7]s
  %[4]s -e "update wp_posts set post_status='wc-on-hold' where ID=%[8]s"
  %[3]s -e "update omaggregation set City='Athens' where PatNum=1"`,
		d.simURL, addr, client(d.db, clinic.Database), client(d.shop.db, shop.Database), strings.Join(d.env, " "), d.Binary, d.config, d.shop.order)
}

// client is the command that opens a database.
func client(db *servers.DB, database string) string {
	return fmt.Sprintf("mariadb -h 127.0.0.1 -P %d -u %s -p%s %s", db.Port, db.User, db.Password, database)
}
