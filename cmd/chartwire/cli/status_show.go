package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chartwire/cdc"
	"chartwire/pipeline"
	"chartwire/pipeline/holds"
	"chartwire/sinks"
	"chartwire/sinks/hubspot"
)

// answer is a Report as it comes over HTTP.
type answer struct {
	Report
	Status json.RawMessage `json:"status"`
}

// show prints what an operator looks for first; everything else is in --json.
func (r *answer) show(w io.Writer, now time.Time) error {
	fmt.Fprintf(w, "%-8s %-12s %s\n", r.Stage, r.Name, r.Ready)
	if r.Halted != "" {
		fmt.Fprintf(w, "  halted    %s\n  to do     chartwire explain %s\n", r.Error, r.Halted)
		var s pipeline.DeliverStatus
		if r.Stage == "deliver" && json.Unmarshal(r.Status, &s) == nil {
			again(w, now, s.Retry)
		}
		return nil
	}
	switch r.Stage {
	case "capture":
		return r.capture(w, now)
	case "map":
		return r.mapped(w, now)
	case "deliver":
		return r.deliver(w, now)
	}
	return nil // a start, which has said all
}

func (r *answer) capture(w io.Writer, now time.Time) error {
	var s captureStatus
	if err := json.Unmarshal(r.Status, &s); err != nil || standby(w, s.Holding, s.Trouble) {
		return err
	}
	fmt.Fprintf(w, "  captured  %d rows in %d transactions since %s; heard of %s ago, committed %s ago\n",
		s.Rows, s.Txns, s.Since.Local().Format(time.DateTime), ago(now, s.Heard), ago(now, s.Committed))
	fmt.Fprintf(w, "  position  %s\n", s.Cut.Checkpoint.Position)
	if k := s.Stuck; k != nil {
		fmt.Fprintf(w, "  stuck     broke off there %d times since %s: %s\n", k.Times, k.Since.Local().Format(time.DateTime), k.Why)
	}
	if !s.Purged.IsZero() {
		fmt.Fprintf(w, "  kept      the source may delete what follows from %s on\n", s.Purged.Local().Format(time.DateTime))
	}
	var loading []string
	for _, id := range slices.SortedFunc(maps.Keys(s.Cut.Loads), cdc.TableID.Compare) {
		l := s.Cut.Loads[id]
		if l.IsHeld() {
			fmt.Fprintf(w, "  held      %s since %s, %d rows left out: %s: %s\n", id, l.Held.Since.Local().Format(time.DateTime), l.Held.Rows, l.Held.Code, l.Held.Text)
			continue
		}
		if l.Phase != cdc.LoadDone && l.Phase != cdc.LoadLeft {
			loading = append(loading, fmt.Sprintf("%s %d of about %d rows", id, l.Rows, l.Total))
		}
	}
	if len(loading) > 0 {
		fmt.Fprintf(w, "  loading   %s\n", strings.Join(loading, ", "))
	}
	showWaits(w, now, s.Snapshot)
	return nil
}

func (r *answer) mapped(w io.Writer, now time.Time) error {
	var s pipeline.MapStatus
	if err := json.Unmarshal(r.Status, &s); err != nil || standby(w, s.Holding, s.Trouble) {
		return err
	}
	for _, name := range keys(s.Sources) {
		src := s.Sources[name]
		fmt.Fprintf(w, "  %-9s mapped up to %s ago, behind its newest cut by %s\n", name, ago(now, src.Commit), src.Behind.Round(time.Millisecond))
	}
	fmt.Fprintf(w, "  waiting   %d changes; local state %.1f MB\n", s.Waiting, float64(s.Bytes)/1e6)
	if s.Rebuilding {
		fmt.Fprintln(w, "  rebuilding the local state from the topics; nothing is mapped until then")
	}
	if len(s.Remapping) > 0 {
		fmt.Fprintf(w, "  mapping again, because they changed: %s\n", strings.Join(s.Remapping, ", "))
	}
	return nil
}

func (r *answer) deliver(w io.Writer, now time.Time) error {
	var s struct {
		pipeline.DeliverStatus
		Account json.RawMessage `json:"account"`
	}
	if err := json.Unmarshal(r.Status, &s); err != nil || standby(w, s.Holding, s.Trouble) {
		return err
	}
	for _, flow := range keys(s.Halts) {
		fmt.Fprintf(w, "  flow %s is halted: %s\n", flow, s.Halts[flow])
	}
	again(w, now, s.Retry)
	for _, flow := range keys(s.Held) {
		h := s.Held[flow]
		fmt.Fprintf(w, "  flow %s is held by %s since %s: %s\n  to do     chartwire explain %s; %d mutations wait for chartwire flow release %s\n",
			flow, h.Who, h.Since.Local().Format(time.DateTime), h.Why, holds.HaltHeld, h.Back, flow)
	}
	for _, flow := range keys(s.Beats) {
		fmt.Fprintf(w, "  flow      %s: everything committed up to %s ago is delivered (safety lane)\n", flow, ago(now, s.Beats[flow][sinks.Safety.String()]))
	}
	if n := s.Links.Pending; n > 0 {
		fmt.Fprintf(w, "  links     %d wait for their far end or their call, the oldest for %s\n", n, ago(now, s.Links.Since))
	}
	if s.Doubts > 0 {
		fmt.Fprintf(w, "  in doubt  %d records; they are written whole\n", s.Doubts)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  lane\twaiting\tin the air\toverdue\tcalls\twrites\tsuppressed\tretries\tdead letters\tp50\tp99")
	for _, lane := range sinks.Lanes {
		l := s.Lanes[lane]
		overdue := "-"
		if !l.Due.IsZero() && now.After(l.Due) {
			overdue = ago(now, l.Due)
		}
		fmt.Fprintf(t, "  %s\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", lane, l.Waiting, l.Air, overdue, l.Calls, l.Writes, l.Suppressed,
			l.Retries, l.Letters, l.P50.Round(time.Millisecond), l.P99.Round(time.Millisecond))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Name == "hubspot" {
		return account(w, s.Account)
	}
	return nil
}

// account prints the budget and what is not as it should be.
func account(w io.Writer, raw json.RawMessage) error {
	var a hubspot.Status
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	fmt.Fprintf(w, "  budget    %d of %d calls in 10 s (the account allows %d, others use %d); today %d of %d\n",
		a.Window.Used, a.Window.Granted, a.Window.Max, a.Window.Others, a.Daily.Used, a.Daily.Limit)
	if a.Daily.Paused {
		fmt.Fprintf(w, "  paused    the day's calls are used up but for the reserve of safety, until %s\n", a.Daily.Resets.Local().Format(time.DateTime))
	}
	open := 0
	for _, b := range a.Breakers {
		if b.State != "closed" {
			open++
			fmt.Fprintf(w, "  breaker   %s, lanes %s: %s after %d failures\n", b.Kind, b.Lanes, b.State, b.Failures)
		}
	}
	if open == 0 {
		fmt.Fprintf(w, "  breakers  all %d closed\n", len(a.Breakers))
	}
	for _, lane := range keys(a.Waits) {
		fmt.Fprintf(w, "  lane %s waits: %s\n", lane, a.Waits[lane].Reason)
	}
	for _, p := range a.Problems {
		fmt.Fprintf(w, "  account   %s\n", p)
	}
	return nil
}

// again says that what halted is looked at again.
func again(w io.Writer, now, at time.Time) {
	if !at.IsZero() {
		fmt.Fprintf(w, "  goes on   by itself when the cause has passed; looked at again in %s\n", ago(at, now))
	}
}

func standby(w io.Writer, holding bool, trouble string) bool {
	if !holding && trouble == "" {
		fmt.Fprintln(w, "  stands by: another process holds it, or it is about to start")
	}
	return !holding
}

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(0, now.Sub(t)).Round(100 * time.Millisecond).String()
}
