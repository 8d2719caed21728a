package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"chartwire/cdc"
	"chartwire/pipeline/broker"
	"chartwire/schemas/hubspot"

	"github.com/spf13/cobra"
)

func (a *app) checkCommand() *cobra.Command {
	var create bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Everything that would stop or falsify a run, each with its fix",
		Long: `Reads the configuration, compiles the maps, and asks the databases, Kafka, the
schema registry and HubSpot for everything that a run will need: settings, grants,
retention, properties, options, pipelines; prints the least ACLs. Names every
problem at once, each with its fix, and changes nothing, unless
--create-properties is said. Exit code 1 if anything is wrong.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.site(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			s.log = slog.New(slog.DiscardHandler) // what is done is said as a list
			c := &checker{app: a, site: s, ctx: cmd.Context()}
			c.all(create)
			if c.problems > 0 {
				fmt.Fprintf(a.out, "\n%d to mend.\n", c.problems)
				return errReported
			}
			fmt.Fprintln(a.out, "\nReady to run.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&create, "create-properties", false, "create in HubSpot the properties, groups and pipelines that the maps need and it lacks")
	return cmd
}

// checker asks part after part and goes on after a problem.
type checker struct {
	*app
	*site
	ctx      context.Context
	problems int
}

func (c *checker) head(format string, args ...any) { fmt.Fprintf(c.out, "\n"+format+"\n", args...) }
func (c *checker) fine(format string, args ...any) {
	fmt.Fprintf(c.out, "  ok    "+format+"\n", args...)
}
func (c *checker) warn(format string, args ...any) {
	fmt.Fprintf(c.out, "  note  "+format+"\n", args...)
}
func (c *checker) bad(format string, args ...any) {
	c.problems++
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n        ")
	fmt.Fprintf(c.out, "  WRONG %s\n", text)
}

func (c *checker) all(create bool) {
	c.fine("configuration %s", c.configPath)
	tables := c.sources()
	c.cluster()
	c.hubspot(tables, create)
	c.notify(tables)
}

// cluster checks Kafka and the registry, and prints the least ACLs.
func (c *checker) cluster() {
	c.head("kafka and the schema registry")
	if err := c.ping(c.ctx); err != nil {
		c.bad("%v", err)
	} else {
		c.fine("brokers answer")
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := c.registry.Ping(ctx); err != nil {
		c.bad("the schema registry does not answer: %v", err)
	} else {
		c.fine("the schema registry answers")
	}
	if c.cfg.Kafka.SASL != nil {
		c.head("the least ACLs of the user %s (kafka-acls.sh)", c.cfg.Kafka.SASL.User)
		for _, acl := range broker.ACLs(c.topics, c.kafka) {
			fmt.Fprintf(c.out, "  %s\n", acl.Command("User:"+c.cfg.Kafka.SASL.User))
		}
	}
}

func (c *checker) notify(tables []*cdc.Table) {
	n := c.cfg.Sinks.Notify
	if n == nil {
		return
	}
	c.head("notify")
	names := make([]string, 0, len(n.Routes))
	for name := range n.Routes {
		names = append(names, name)
	}
	slices.Sort(names)
	c.fine("routes: %s", strings.Join(names, ", "))
	for _, r := range c.routes(tables) {
		if _, ok := n.Routes[r]; !ok {
			c.bad("a rule sends to the route %q, which sinks.notify.routes does not have: a critical result would go to `default`, not to whom it is meant for", r)
		}
	}
	if n.Watchdog == "" {
		c.warn("no watchdog: if this whole machine stops, nobody is told; name an outside URL as sinks.notify.watchdog")
	}
}

// routes are those that the rules name, as far as the maps compile.
func (c *checker) routes(tables []*cdc.Table) []string {
	want, err := hubspot.Default()
	if err != nil {
		return nil // said under hubspot
	}
	programs, err := c.site.programs(tables, want)
	if err != nil {
		return nil // said under maps
	}
	var named []string
	for _, flow := range keys(programs) {
		named = append(named, programs[flow].Routes()...)
	}
	return named
}
