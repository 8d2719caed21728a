package demo

import (
	"context"
	"fmt"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

// breakThings kills each stage as a crash would, takes HubSpot away, and writes
// a row that HubSpot refuses, while the tables change.
func (d *demo) breakThings(ctx context.Context) error {
	for _, kind := range []string{"capture", "map", "deliver"} {
		d.board.say("\n   %s is killed (SIGKILL) and started again.", kind)
		d.procs[kind].kill()
		before := d.board.look()
		if err := d.launch(d.Binary, kind); err != nil {
			return err
		}
		began := time.Now()
		calls := d.writes()
		err := d.until(ctx, 60*time.Second, kind+" works again", func() bool { return d.working(kind) && d.writes() > calls })
		if err != nil {
			return err
		}
		d.board.say("   it works again after %.1f s (%.0f mutations before).", time.Since(began).Seconds(), before.mutations)
	}
	d.board.say("\n   HubSpot is gone for 20 s.")
	fault := d.sim.Inject(hubspottest.Fault{Kind: hubspottest.Down})
	if err := d.criticalPage(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Second):
	}
	d.sim.Clear(fault)
	calls := d.writes()
	if err := d.until(ctx, 60*time.Second, "HubSpot is written to again", func() bool { return d.writes() > calls+5 }); err != nil {
		return err
	}
	d.board.say("   it is back, and is written to again.")
	return d.badRecord(ctx)
}

// criticalPage writes a critical result while HubSpot is away: the page comes
// all the same.
func (d *demo) criticalPage(ctx context.Context) error {
	pages, began := len(d.pager.Pages()), time.Now()
	sql, id := d.labs.Critical(began)
	if err := d.execLabs(sql); err != nil {
		return err
	}
	if err := d.until(ctx, 15*time.Second, "the page is there", func() bool { return len(d.pager.Pages()) > pages }); err != nil {
		return err
	}
	d.board.say("   critical result %d: the page came after %.3f s without HubSpot.", id, time.Since(began).Seconds())
	return nil
}

// badRecord writes a value that HubSpot refuses, shows its dead letter as an
// operator sees it, mends the row, and retries.
func (d *demo) badRecord(ctx context.Context) error {
	patient := d.gen.Live()[0]
	d.board.say("\n   A rule of the account now refuses the city of one patient.")
	d.sim.SetValidation("contacts", "city", hubspottest.Validation{RuleType: "MAX_LENGTH", RuleArguments: []string{"30"}})
	if err := d.exec(fmt.Sprintf("UPDATE omaggregation SET City = '%s' WHERE PatNum = %d", "Llanfairpwllgwyngyllgogerychwyrndrobwll", patient)); err != nil {
		return err
	}
	var out string
	err := d.until(ctx, 30*time.Second, "the dead letter is there", func() bool {
		var err error
		out, err = d.command(ctx, d.Binary, "dlq", "list", "--property", "city")
		return err == nil && len(out) > 0 && out[:2] == "ID"
	})
	if err != nil {
		return err
	}
	id := firstField(out)
	if out, err = d.command(ctx, d.Binary, "dlq", "show", id); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	d.board.say("   chartwire dlq show %s\n%s", id, out)
	d.board.say("   The administrator takes the rule away; the letter is retried.")
	d.sim.SetValidation("contacts", "city")
	if out, err = d.command(ctx, d.Binary, "dlq", "retry", id); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return d.until(ctx, 30*time.Second, "the dead letter is closed", func() bool {
		out, err := d.command(ctx, d.Binary, "dlq", "list", "--property", "city")
		return err == nil && out == "no dead letters\n"
	})
}
