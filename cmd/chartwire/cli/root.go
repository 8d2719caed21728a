package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"chartwire/cdc"
	"chartwire/cmd/chartwire/config"
	"chartwire/cmd/chartwire/explain"

	"github.com/spf13/cobra"
)

// app is what all commands share.
type app struct {
	out, err   io.Writer
	configPath string
}

// errReported ends the program with code 1 where the command has already said
// what is wrong.
var errReported = errors.New("reported")

// Main runs the command line and returns the exit code: 0 done, 1 something is
// wrong, 2 the command line is.
func Main(args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr}
	ctx, stop := a.signals()
	defer stop()
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var wrong *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "chartwire: %v\nTry: %s --help\n", err, wrong.command)
		return 2
	case errors.Is(err, errReported):
		return 1
	}
	fmt.Fprintf(stderr, "chartwire: %v\n", err)
	if code := cdc.HaltCode(err); code != "" {
		fmt.Fprintf(stderr, "What it means and what to do: chartwire explain %s\n", code)
	}
	return 1
}

// usageError is a mistake in the command line.
type usageError struct {
	command string // as it is typed
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func usage(cmd *cobra.Command, err error) error { return &usageError{cmd.CommandPath(), err} }

// strict makes a verb that there is not a mistake, under every command that is
// but a name for its verbs: a script must not take a page of help for done.
func strict(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		strict(c)
	}
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.DisableFlagsInUseLine, cmd.SuggestionsMinimumDistance = true, 2
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, list []string) error {
		if len(list) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("there is no %s %s", cmd.CommandPath(), list[0])
		if near := cmd.SuggestionsFor(list[0]); len(near) > 0 {
			text += "; perhaps " + strings.Join(near, " or ")
		}
		return usage(cmd, errors.New(text))
	}
}

// signals gives a context that ends at the first SIGINT or SIGTERM; a second
// one ends the process at once.
func (a *app) signals() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		if _, ok := <-ch; !ok {
			return
		}
		cancel()
		if _, ok := <-ch; ok {
			os.Exit(130)
		}
	}()
	return ctx, func() { signal.Stop(ch); close(ch); cancel() }
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "chartwire",
		Short: "Keeps HubSpot true to clinical and shop databases, change by change",
		Long: `Chartwire tails the row changes of MySQL and MariaDB databases, carries them
over Kafka, and keeps HubSpot true to them: critical data in seconds, nothing
lost, nothing written twice, every value traceable to its row.

A first look, on this machine alone:   chartwire demo`,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "chartwire.yaml", "the configuration file")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd, err)
	})
	root.AddCommand(a.stageCommands()...)
	root.AddCommand(a.checkCommand(), a.mapsCommand(), a.dlqCommand(), a.flowCommand(), a.topicsCommand(), a.reloadCommand(), a.schemasCommand(), a.rewindCommand(), a.skipCommand(), a.snapshotCommand(), a.tablesCommand(), a.columnsCommand(), a.statusCommand(), a.explainCommand(),
		a.simCommand(), a.demoCommand(), a.versionCommand())
	strict(root)
	return root
}

// args wraps a check of positional arguments, so that a mistake there is a
// usage error too.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, list []string) error {
		if err := check(cmd, list); err != nil {
			return usage(cmd, fmt.Errorf("%w: %s", err, cmd.UseLine()))
		}
		return nil
	}
}

func (a *app) config() (*config.Config, error) {
	c, err := config.Load(a.configPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w\nWrite one (deploy/chartwire.example.yaml is a start), or name it: --config FILE", err)
	}
	return c, err
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain CODE",
		Short: "What a halt means and what to do",
		Args:  args(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, list []string) error {
			if len(list) == 0 {
				for _, code := range explain.Codes() {
					fmt.Fprintln(a.out, code)
				}
				return nil
			}
			page, err := explain.Page(list[0])
			fmt.Fprint(a.out, page)
			return err
		},
	}
}

// Version is set by the build (-ldflags "-X …"); otherwise the module's is said.
var Version = ""

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "The version of this binary",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v, goVersion := Version, ""
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
				if v == "" {
					v = info.Main.Version
				}
			}
			fmt.Fprintf(a.out, "chartwire %s, %s\n", v, goVersion)
			return nil
		},
	}
}
