package cli

import (
	"context"
	"fmt"
	"strings"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
)

// sources checks every database, and gives the tables they have.
func (c *checker) sources() []*cdc.Table {
	var all []*cdc.Table
	for _, name := range keys(c.cfg.Sources) {
		c.head("source %s", name)
		cfg, err := c.sourceConfig(name)
		if err != nil {
			c.bad("%v", err)
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		tables, err := mysql.Tables(ctx, cfg, c.cfg.Sources[name].Database)
		cancel()
		if err != nil {
			c.bad("%v", err)
			continue
		}
		if len(tables) == 0 {
			c.bad("the database %s has no table that %s may read; check the name, and GRANT SELECT ON `%s`.* TO the user", c.cfg.Sources[name].Database, cfg.User, c.cfg.Sources[name].Database)
		}
		all = append(all, tables...)
	}
	programs := c.programs(all)
	for _, name := range keys(c.cfg.Sources) {
		c.source(name, programs)
	}
	return all
}

// programs compiles all maps and tells their mistakes.
func (c *checker) programs(tables []*cdc.Table) map[string]*mapping.Program {
	c.head("maps")
	objects, err := hubspot.Default()
	if err != nil {
		c.bad("%v", err)
		return nil
	}
	programs, err := c.site.programs(tables, objects)
	if err != nil {
		c.bad("%v", err)
	}
	for _, flow := range keys(programs) {
		var names []string
		for _, m := range programs[flow].Maps {
			names = append(names, m.Name)
		}
		c.fine("flow %s: %s", flow, strings.Join(names, ", "))
	}
	return programs
}

// source checks one server's settings, grants and retention.
func (c *checker) source(name string, programs map[string]*mapping.Program) {
	cfg, err := c.sourceConfig(name)
	if err != nil {
		return // said above
	}
	b := &builder{site: c.site, programs: programs}
	if cfg.Selections = b.selections(name); len(cfg.Selections) == 0 {
		return // nothing compiled that reads it
	}
	for _, addr := range append([]string{cfg.Addr}, cfg.Others...) {
		one := cfg
		one.Addr, one.Others = addr, nil
		c.asked("source "+name+" at "+addr, one, "settings, grants and retention", (*mysql.Source).Check)
	}
	if len(cfg.Others)+len(cfg.Snapshot.Pace.Replicas) > 0 {
		c.asked("servers of source "+name, cfg, "each may be read in another's place, and replicas answer", (*mysql.Source).CheckPeers)
	}
}

func (c *checker) asked(head string, cfg mysql.Config, fine string, check func(*mysql.Source, context.Context) ([]mysql.Problem, error)) {
	c.head("%s", head)
	src, err := mysql.New(cfg)
	if err != nil {
		c.bad("%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	problems, err := check(src, ctx)
	if err != nil {
		c.bad("%v", err)
		return
	}
	for _, p := range problems {
		if p.Warning {
			c.warn("%s", p)
		} else {
			c.bad("%s", p)
		}
	}
	if len(problems) == 0 {
		c.fine("%s", fine)
	}
}

// hubspot compares what the maps need with the account.
func (c *checker) hubspot(tables []*cdc.Table, create bool) {
	if c.cfg.Sinks.HubSpot == nil {
		return
	}
	c.head("hubspot account %d", c.cfg.Sinks.HubSpot.Portal)
	want, err := hubspot.Default()
	if err != nil {
		c.bad("%v", err)
		return
	}
	programs, err := c.site.programs(tables, want)
	if err != nil {
		return // said under maps
	}
	sink, err := c.hubspotSink(programs, nil)
	if err != nil {
		c.bad("%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, 4*patience)
	defer cancel()
	used := &hubspot.Schema{}
	for _, flow := range keys(programs) {
		for _, name := range programs[flow].Objects("hubspot") {
			if used.Object(name) == nil {
				used.Objects = append(used.Objects, want.Object(name))
			}
		}
	}
	plan, err := sink.Plan(ctx, used)
	if err != nil {
		c.bad("%v", err)
		return
	}
	if !plan.Empty() && create {
		if err := sink.Provision(ctx, plan); err != nil {
			c.bad("%v", err)
			return
		}
		c.fine("created %d", len(plan.Steps))
		fmt.Fprintln(c.out, indent(plan.String()))
	} else if !plan.Empty() {
		c.bad("the account lacks what the maps need; create it by chartwire check --create-properties\n%s", plan)
		return
	}
	for _, p := range plan.Conflicts {
		c.bad("%v", p)
	}
	if err := sink.Open(ctx); err != nil {
		c.bad("%v", err)
		return
	}
	c.fine("account, token, properties, options, pipelines and associations")
}

func indent(s string) string {
	return "        " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n        ")
}
