package demo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"chartwire/sinks/hubspot/hubspottest"
)

// breakThings kills each stage as a crash would, takes HubSpot away, and writes
// a row that HubSpot refuses, while the tables change.
func (d *demo) breakThings(ctx context.Context) error {
	for _, kind := range []string{"capture", "map", "deliver"} {
		d.board.say("\n   %s is killed (SIGKILL) and started again.", kind)
		began := time.Now()
		d.procs[kind].kill()
		if err := d.launch(d.Binary, kind); err != nil {
			return err
		}
		if err := d.probe(ctx); err != nil {
			return fmt.Errorf("after %s was killed: %w", kind, err)
		}
		d.board.say("   a change written after the kill is in HubSpot %.1f s after it.", time.Since(began).Seconds())
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
	began := time.Now()
	if err := d.probe(ctx); err != nil {
		return err
	}
	d.board.say("   it is back, and is written to again after %.1f s.", time.Since(began).Seconds())
	return d.badRecord(ctx)
}

// probePatient is nobody's in the traffic.
const probePatient = 9_000_001

// probe changes one patient and waits until the contact says so.
func (d *demo) probe(ctx context.Context) error {
	d.probes++
	city := fmt.Sprintf("Probe %d", d.probes)
	if err := d.exec(fmt.Sprintf("UPDATE omaggregation SET City = '%s' WHERE PatNum = %d", city, probePatient)); err != nil {
		return err
	}
	return d.until(ctx, 60*time.Second, "a change arrives", func() bool {
		r, ok := d.sim.Lookup("contacts", "open_medical_patient_id", strconv.Itoa(probePatient))
		return ok && r.Properties["city"] == city
	})
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
	d.board.say("\n   A rule of the account now refuses the city of one patient.")
	d.sim.SetValidation("contacts", "city", hubspottest.Validation{RuleType: "MAX_LENGTH", RuleArguments: []string{"30"}})
	if err := d.exec(fmt.Sprintf("UPDATE omaggregation SET City = '%s' WHERE PatNum = %d", "Llanfairpwllgwyngyllgogerychwyrndrobwll", probePatient)); err != nil {
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
