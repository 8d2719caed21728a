package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"chartwire/integration/clinic"
	"chartwire/schemas/maps/generate"
)

// Options say what kind of demo.
type Options struct {
	Out      io.Writer
	Terminal bool // Out is a terminal: the table may be drawn anew in place
	Binary   string
	Patients int
	Seed     uint64
	// Live is how long the tables change.
	Live time.Duration
	// Keep leaves everything running at the end, until ctx ends.
	Keep bool
	// Break kills each stage, takes HubSpot away and sends a bad record.
	Break bool
	// Services starts (or attaches to) the embedded Kafka and registry of the
	// data folder.
	Services func(ctx context.Context, dir string) (stop func(), err error)
}

// ErrDiffers is the end of a demo whose records are not what the tables say.
var ErrDiffers = errors.New("HubSpot does not hold what the tables say")

// demo is one run.
type demo struct {
	Options
	*stage
	gen    *generate.Generator
	rand   *rand.Rand
	zone   *time.Location
	now    time.Time // what the invented dates are near to
	probes int
	began  time.Time
	board  *board
}

// clinicZone is where the clocks of the demo's databases are.
const clinicZone = "America/New_York"

// Run runs the demo. It returns nil when everything came out equal.
func Run(ctx context.Context, o Options) (err error) {
	zone, err := time.LoadLocation(clinicZone)
	if err != nil {
		return err
	}
	now := time.Now().In(zone)
	d := &demo{Options: o, zone: zone, now: now, began: time.Now(), gen: generate.New(o.Seed, now), rand: rand.New(rand.NewPCG(o.Seed, 2))}
	dir, err := os.MkdirTemp("", "chartwire-demo-")
	if err != nil {
		return err
	}
	defer func() {
		// What failed is left for looking at.
		if err == nil || ctx.Err() != nil && !errors.Is(err, ErrDiffers) {
			_ = os.RemoveAll(dir)
		}
	}()
	d.say("Chartwire demo, seed %d, in %s", o.Seed, dir)
	if d.stage, err = d.set(ctx, dir); err != nil {
		return err
	}
	defer d.stage.strike()
	if err := d.play(ctx); err != nil {
		return err
	}
	err = d.compare(ctx)
	d.summary(err)
	if o.Keep && ctx.Err() == nil {
		d.explore()
		<-ctx.Done()
		d.say("\nending")
	}
	return err
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.Out, format+"\n", args...) }

// play is what happens on the stage.
func (d *demo) play(ctx context.Context) error {
	d.say("\n1. %d patients, and what a shop sells and to whom, are loaded: what was there before Chartwire came.", d.Patients)
	d.board = newBoard(d)
	stop := d.board.show(ctx)
	defer stop()
	if err := d.until(ctx, 90*time.Second, "every patient is a contact", func() bool {
		return d.sim.Totals("contacts").Created > d.Patients && d.patients() > d.Patients // and the probe
	}); err != nil {
		return err
	}
	if err := d.shopEqual(ctx, 60*time.Second, "the shop is in HubSpot"); err != nil {
		return err
	}
	d.board.say("   %d contacts and %d products after %s. Old critical results told nobody: %d tickets, %d pages.", d.sim.Totals("contacts").Created,
		d.sim.Totals("products").Created, d.since(), d.safetyTickets(), len(d.pager.Pages()))

	d.board.say("\n2. Somebody buys something, as it was recorded in a real shop.")
	if err := d.checkout(ctx); err != nil {
		return err
	}
	if err := d.db.Exec("use " + clinic.Database + "; " + generate.Watch); err != nil {
		return err
	}
	if err := d.busy(ctx); err != nil {
		return err
	}
	d.board.say("\n5. The tables rest; what is on the way arrives.")
	return d.settle(ctx)
}

// busy is a busy day of clinic and shop.
func (d *demo) busy(ctx context.Context) error {
	live := d.Live
	if d.Break {
		live += 45 * time.Second
	}
	d.board.say("\n3. The tables change for %s, as on a busy day; in the shop a dozen people buy at once, orders are completed,\n"+
		"   refunded and deleted, prices and stock change, and its orders move from their own tables among the posts.", live)
	d.board.say("   MariaDB's binlog says in which second a commit was, no closer: latencies below are up to 1s too long.")
	changes, trade := d.change(ctx, live), d.trade(ctx, live)
	if err := d.critical(ctx); err != nil {
		return err
	}
	if d.Break {
		if err := d.breakThings(ctx); err != nil {
			return err
		}
	}
	n, err := changes()
	if err != nil {
		return err
	}
	traded, err := trade()
	if err != nil {
		return err
	}
	d.board.say("   %d statements were executed in the clinic, %d transactions in the shop.", n, traded)
	return nil
}

// change executes traffic until live has passed; the function it returns waits
// for its end and counts the statements.
func (d *demo) change(ctx context.Context, live time.Duration) func() (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		r := result{}
		for end := time.Now().Add(live); time.Now().Before(end) && ctx.Err() == nil; {
			if r.err = d.exec(d.gen.Change()); r.err != nil {
				break
			}
			r.n++
			time.Sleep(time.Duration(d.rand.IntN(30)) * time.Millisecond)
		}
		done <- r
	}()
	return func() (int, error) { r := <-done; return r.n, r.err }
}

// critical writes a critical result and waits for its ticket and its page.
func (d *demo) critical(ctx context.Context) error {
	d.board.say("\n4. A critical laboratory result is written.")
	tickets, pages := d.safetyTickets(), len(d.pager.Pages())
	began := time.Now()
	sql, id := d.labs.Critical(began)
	if err := d.execLabs(sql); err != nil {
		return err
	}
	var page, ticket time.Duration
	err := d.until(ctx, 30*time.Second, "the ticket and the page are there", func() bool {
		if page == 0 && len(d.pager.Pages()) > pages {
			page = time.Since(began)
		}
		if ticket == 0 && d.safetyTickets() > tickets {
			ticket = time.Since(began)
		}
		return page > 0 && ticket > 0
	})
	if err != nil {
		return err
	}
	d.board.say("   result %d: the page came after %.3f s, the ticket after %.3f s.", id, page.Seconds(), ticket.Seconds())
	return nil
}

// settle waits until HubSpot has not been called for a while and what it holds
// is what the tables say, or does not become so.
func (d *demo) settle(ctx context.Context) error {
	deadline := time.Now().Add(60 * time.Second)
	for ctx.Err() == nil {
		diff, err := d.differences(ctx)
		if err != nil {
			return err
		}
		if len(diff) == 0 || time.Now().After(deadline) {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	return ctx.Err()
}

// until polls a condition.
func (d *demo) until(ctx context.Context, patience time.Duration, what string, ok func() bool) error {
	deadline := time.Now().Add(patience)
	for !ok() {
		if err := d.broken(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s until %s, in vain; the logs are in %s", patience, what, d.logs())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (d *demo) since() time.Duration { return time.Since(d.began).Round(100 * time.Millisecond) }
