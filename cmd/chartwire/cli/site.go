package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"chartwire/cdc"
	"chartwire/cmd/chartwire/config"
	"chartwire/cmd/chartwire/embedded"
	"chartwire/pipeline/broker"
	"chartwire/pipeline/mapping"
	"chartwire/schemas"
	"chartwire/schemas/hubspot"
	"chartwire/schemas/maps"
	"chartwire/schemas/registry"

	"github.com/spf13/cobra"
)

// site is an installation as a command sees it: its configuration, and the way
// to its Kafka and registry.
type site struct {
	cfg      *config.Config
	log      *slog.Logger
	kafka    broker.Config
	topics   schemas.Topics
	registry *registry.Client

	closers []func()
	// healthy says why the watchdog outside should hear nothing: set when the
	// stages run, nil for commands.
	healthy func() error
	// beside runs as long as the stages of this process do.
	beside []func(context.Context) error
}

// site reads the configuration and reaches its Kafka: a cluster, or the
// embedded broker, which it starts if no other process of the installation has.
func (a *app) site(ctx context.Context) (*site, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	s := &site{cfg: cfg, log: a.logger(cfg.Log), topics: schemas.Topics{Prefix: cfg.Installation}}
	if err := s.connect(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// reach is [app.site] for a command that needs Kafka at once: stages wait for it.
func (a *app) reach(ctx context.Context) (*site, error) {
	s, err := a.site(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.ping(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// ping says if no broker answers.
func (s *site) ping(ctx context.Context) error {
	client, err := s.kafka.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		return broker.Denied(fmt.Errorf("no Kafka broker answers at %s: %w", strings.Join(s.kafka.Brokers, ", "), err))
	}
	return nil
}

// siteOf is [app.reach] for a command that is about a source.
func (a *app) siteOf(cmd *cobra.Command, source string) (*site, error) {
	s, err := a.site(cmd.Context())
	if err != nil {
		return nil, err
	}
	if err = s.has(cmd, source); err == nil {
		err = s.ping(cmd.Context())
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// has says what sources there are if this is none of them.
func (s *site) has(cmd *cobra.Command, source string) error {
	if _, ok := s.cfg.Sources[source]; ok {
		return nil
	}
	return usage(cmd, fmt.Errorf("the configuration has no source %q; there are %v", source, keys(s.cfg.Sources)))
}

func (s *site) connect(ctx context.Context) error {
	k := s.cfg.Kafka
	s.kafka = broker.Config{Brokers: k.Brokers, ClientID: "chartwire-" + s.cfg.Installation, Replication: k.Replication, MaxRecord: int(k.MaxRecord)}
	if t := k.TLS; t != nil {
		s.kafka.TLS = &broker.TLS{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName}
	}
	if l := k.SASL; l != nil {
		s.kafka.SASL = &broker.SASL{Mechanism: l.Mechanism, User: l.User, Password: l.Password.Reveal()}
	}
	url := s.cfg.Registry.URL
	if k.Embedded {
		var err error
		if url, err = s.embedded(ctx, url); err != nil {
			return err
		}
	}
	var err error
	s.registry, err = registry.New(registry.Options{URLs: []string{url}, User: s.cfg.Registry.User, Password: s.cfg.Registry.Password.Reveal()})
	return err
}

// embedded starts or attaches to the broker and registry in the data folder. It
// gives the registry's URL, unless the configuration names another one.
func (s *site) embedded(ctx context.Context, url string) (string, error) {
	services, err := embedded.Start(ctx, s.cfg.Data, s.cfg.Installation, s.log)
	if err != nil {
		return "", err
	}
	s.closers = append(s.closers, services.Close)
	s.beside = append(s.beside, services.Run)
	id := s.kafka.ClientID
	s.kafka = services.Broker.Config()
	s.kafka.ClientID = id
	if url == "" {
		url = services.Registry
	}
	return url, nil
}

// Close gives back what the site started.
func (s *site) Close() {
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

func (s *site) sinkNames() []string {
	var names []string
	if s.cfg.Sinks.HubSpot != nil {
		names = append(names, "hubspot")
	}
	if s.cfg.Sinks.Notify != nil {
		names = append(names, "notify")
	}
	return names
}

// mapFS is the embedded map files under those of the folder that the
// configuration names.
func mapFS(cfg *config.Config) overlay {
	o := overlay{maps.Files}
	if cfg.Maps != "" {
		o = append(overlay{os.DirFS(cfg.Maps)}, o...)
	}
	return o
}

// overlay is file systems, the first that has a file wins.
type overlay []fs.FS

func (o overlay) read(name string) (b []byte, err error) {
	for _, f := range o {
		if b, err = fs.ReadFile(f, name); !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
	}
	return nil, err
}

// expand gives the names of the map files that a flow's entry means: one file
// or, for the name of a pack, all of its files.
func (o overlay) expand(entry string) ([]string, error) {
	if _, err := o.read(entry + ".yaml"); err == nil {
		return []string{entry + ".yaml"}, nil
	}
	var names []string
	for _, f := range o {
		list, err := fs.Glob(f, path.Join(entry, "*.yaml"))
		if err != nil {
			return nil, err
		}
		names = append(names, list...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no map %q; chartwire maps list shows those there are", entry)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// mapFiles reads the map files of a flow.
func mapFiles(cfg *config.Config, entries []string) ([]mapping.File, error) {
	o := mapFS(cfg)
	var files []mapping.File
	for _, entry := range entries {
		names, err := o.expand(entry)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := o.read(name)
			if err != nil {
				return nil, err
			}
			files = append(files, mapping.File{Name: name, Text: text})
		}
	}
	return files, nil
}

// mapSources is the configured sources as maps see them.
func mapSources(cfg *config.Config) []mapping.Source {
	var list []mapping.Source
	for name, s := range cfg.Sources {
		list = append(list, mapping.Source{Name: name, Kind: s.Kind, Zone: s.Zone.Location, KeyPrefix: s.KeyPrefix})
	}
	slices.SortFunc(list, func(a, b mapping.Source) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// programs compiles the maps of all flows against the tables that there are.
func (s *site) programs(tables []*cdc.Table, objects *hubspot.Schema) (map[string]*mapping.Program, error) {
	out := map[string]*mapping.Program{}
	var errs []error
	for name := range s.cfg.Flows {
		p, err := s.program(name, tables, objects)
		if err != nil {
			errs = append(errs, fmt.Errorf("flow %s:\n%w", name, err))
			continue
		}
		out[name] = p
	}
	if err := mapping.CheckFlows(out); err != nil {
		errs = append(errs, fmt.Errorf("flows that write the same:\n%w", err))
	}
	return out, errors.Join(errs...)
}

// program compiles the maps of a flow.
func (s *site) program(flow string, tables []*cdc.Table, objects *hubspot.Schema) (*mapping.Program, error) {
	files, err := mapFiles(s.cfg, s.cfg.Flows[flow].Maps)
	if err != nil {
		return nil, err
	}
	return mapping.Compile(files, mapping.Env{
		Sources: mapSources(s.cfg), Tables: tables,
		Objects: map[string]*hubspot.Schema{"hubspot": objects},
		SiteKey: []byte(s.cfg.SiteKey.Reveal()),
	})
}

// patience is how long a command waits for a server before it says that it
// does not answer.
const patience = 15 * time.Second
