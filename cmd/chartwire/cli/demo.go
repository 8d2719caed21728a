package cli

import (
	"context"
	"log/slog"
	"os"
	"time"

	"chartwire/cmd/chartwire/demo"
	"chartwire/cmd/chartwire/embedded"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func (a *app) demoCommand() *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole road on this machine: MariaDB, Kafka, a strict HubSpot, 2,000 patients and a shop",
		Long: `Starts two private MariaDBs, an embedded Kafka and a stand-in for HubSpot, loads
invented patients and a recorded shop, changes both while you watch, follows one
checkout and one critical laboratory result, and at the end compares what HubSpot
holds with what the tables say.
Everything listens on 127.0.0.1 and is gone afterwards.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, isFile := a.out.(*os.File)
			o.Out, o.Terminal = a.out, isFile && term.IsTerminal(int(f.Fd()))
			var err error
			if o.Binary, err = os.Executable(); err != nil {
				return err
			}
			o.Services = func(ctx context.Context, dir string) (func(), error) {
				s, err := embedded.Start(ctx, dir, "demo", slog.New(slog.DiscardHandler))
				if err != nil {
					return nil, err
				}
				return s.Close, nil
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.Patients, "patients", 2000, "how many patients are there at the start")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "what the invented patients and their changes are made from")
	cmd.Flags().DurationVar(&o.Live, "live", 20*time.Second, "how long the tables change")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave everything running at the end")
	cmd.Flags().BoolVar(&o.Break, "break", false, "kill each stage, take HubSpot away, send a bad record")
	return cmd
}
