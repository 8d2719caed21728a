package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chartwire/cdc"
	"chartwire/cmd/chartwire/config"
	"chartwire/pipeline/mapping"
	"chartwire/schemas/hubspot"
	packs "chartwire/schemas/maps"
	"chartwire/schemas/maps/ddl"

	"github.com/spf13/cobra"
)

func (a *app) mapsCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{Use: "maps", Short: "The field maps: list, show, test, coverage, explain, schema"}
	cmd.PersistentFlags().StringVar(&folder, "maps", "", "a folder with map packs that replace or add to the embedded ones")
	list := &cobra.Command{
		Use: "list", Short: "The packs and their maps", Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			names, err := allMaps(folder)
			for _, n := range names {
				fmt.Fprintln(a.out, strings.TrimSuffix(n, ".yaml"))
			}
			return err
		},
	}
	show := &cobra.Command{
		Use: "show MAP", Short: "A map's text: a start for one of your own", Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			text, err := mapFS(&config.Config{Maps: folder}).read(list[0] + ".yaml")
			if err != nil {
				return fmt.Errorf("there is no map %q; chartwire maps list shows those there are", list[0])
			}
			_, err = a.out.Write(text)
			return err
		},
	}
	test := &cobra.Command{
		Use: "test [MAP…]", Short: "Compiles maps against their packs' reference tables and runs their examples",
		Long: `Compiles the maps against the reference tables of their packs and the HubSpot
objects that they are to be written to, and runs the examples in them. Needs no
database, no Kafka and no HubSpot. Names every mistake with file and line.`,
		RunE: func(_ *cobra.Command, names []string) error { return a.testMaps(folder, names) },
	}
	coverage := &cobra.Command{
		Use: "coverage [MAP…]", Short: "Every requirement that the maps name, and where it is met",
		Long: `Prints every requirement that the maps name: the place in the map files where it
is met and, where it is met otherwise or later, the reason.`,
		RunE: func(_ *cobra.Command, names []string) error { return a.coverMaps(folder, names) },
	}
	schema := &cobra.Command{
		Use: "schema", Short: "The JSON Schema of a map file, for editors",
		Long: `Prints the JSON Schema of a map file. An editor that is told of it completes keys
and marks mistakes while a map is written; what it cannot know, such as columns
and properties, is what chartwire maps test checks.`,
		Args: args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(packs.Schema)
			return err
		},
	}
	cmd.AddCommand(list, show, test, coverage, a.explainRecordCommand(), schema)
	return cmd
}

// allMaps lists the map files there are, <pack>/<map>.yaml.
func allMaps(folder string) ([]string, error) {
	var names []string
	for _, f := range mapFS(&config.Config{Maps: folder}) {
		list, err := fs.Glob(f, "*/*.yaml")
		if err != nil {
			return nil, err
		}
		names = append(names, list...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (a *app) testMaps(folder string, names []string) error {
	p, err := a.compileMaps(folder, names)
	if err != nil {
		return err
	}
	if problems := mapping.RunExamples(p); len(problems) > 0 {
		fmt.Fprintln(a.err, problems)
		return errReported
	}
	fmt.Fprintf(a.out, "%d maps compile, %d examples hold\n", len(p.Maps), p.Examples())
	return nil
}

func (a *app) coverMaps(folder string, names []string) error {
	p, err := a.compileMaps(folder, names)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, c := range p.Coverage() {
		by := c.By
		switch {
		case by == "":
			by = "not met: " + c.Why
		case c.Why != "":
			by += ": " + c.Why
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.ID, c.Place, by)
	}
	return w.Flush()
}

// compileMaps compiles maps against the reference tables of their packs.
func (a *app) compileMaps(folder string, names []string) (*mapping.Program, error) {
	if folder != "" {
		if _, err := os.Stat(folder); err != nil {
			return nil, fmt.Errorf("reading the folder of maps: %w", err)
		}
	}
	o := mapFS(&config.Config{Maps: folder})
	if len(names) == 0 {
		all, err := allMaps(folder)
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			names = append(names, strings.TrimSuffix(n, ".yaml"))
		}
	}
	var files []string
	for _, n := range names {
		list, err := o.expand(strings.TrimSuffix(n, ".yaml"))
		if err != nil {
			return nil, err
		}
		files = append(files, list...)
	}
	slices.Sort(files)
	env, list, err := referenceEnv(o, slices.Compact(files))
	if err != nil {
		return nil, err
	}
	p, err := mapping.Compile(list, env)
	if err != nil {
		fmt.Fprintln(a.err, err)
		return nil, errReported
	}
	return p, nil
}

// referenceZone is the zone that the examples in map files are written for: one
// with changes of the clock, so that examples can be about them.
var referenceZone = func() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return time.UTC
	}
	return zone
}()

// referenceEnv is what maps are compiled against without any server: a source
// of each pack's kind with the pack's reference tables.
func referenceEnv(o overlay, files []string) (mapping.Env, []mapping.File, error) {
	env := mapping.Env{SiteKey: []byte(mapping.ExampleSiteKey)}
	var list []mapping.File
	packs := map[string]bool{}
	for _, name := range files {
		text, err := o.read(name)
		if err != nil {
			return env, nil, err
		}
		list = append(list, mapping.File{Name: name, Text: text})
		pack := path.Dir(name)
		if packs[pack] {
			continue
		}
		packs[pack] = true
		env.Sources = append(env.Sources, mapping.Source{Name: pack, Kind: pack, Zone: referenceZone})
		tables, err := referenceTables(o, pack)
		if err != nil {
			return env, nil, err
		}
		env.Tables = append(env.Tables, tables...)
	}
	objects, err := hubspot.Default()
	env.Objects = map[string]*hubspot.Schema{"hubspot": objects}
	return env, list, err
}

func referenceTables(o overlay, pack string) ([]*cdc.Table, error) {
	name := path.Join(pack, "reference.sql")
	text, err := o.read(name)
	if err != nil {
		return nil, fmt.Errorf("the pack %s has no reference.sql: write the CREATE TABLE statements of the tables that its maps read", pack)
	}
	tables, err := ddl.Parse(pack, "reference", string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return tables, nil
}
