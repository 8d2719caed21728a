package cli

import (
	"fmt"
	"time"

	"chartwire/sinks/hubspot/hubspottest"

	"github.com/spf13/cobra"
)

func (a *app) simCommand() *cobra.Command {
	var addr, token string
	var portal int64
	var latency time.Duration
	cmd := &cobra.Command{
		Use:   "hubspot-sim",
		Short: "A HubSpot account on this machine, for trials: as strict as the real one",
		Long: `Serves a HubSpot account that behaves as the real API does, its errors, limits
and oddities included, and holds its records in memory. Its page at /_sim/ shows
them, and has switches for the faults that HubSpot is known for.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sim := hubspottest.New(hubspottest.Options{
				PortalID: portal, Tokens: map[string][]string{token: nil}, Control: true,
				Latency: hubspottest.Latency{Fixed: latency},
			})
			return sim.ListenAndServe(cmd.Context(), addr, func(url string) {
				fmt.Fprintf(a.out, "HubSpot stand-in: %s   portal %d   records and faults: %s/_sim/\n", url, portal, url)
			})
		},
	}
	cmd.Flags().StringVar(&addr, "address", "127.0.0.1:9480", "where to listen")
	cmd.Flags().StringVar(&token, "token", hubspottest.DefaultToken, "the token that may do everything")
	cmd.Flags().Int64Var(&portal, "portal", 24117000, "the account's number")
	cmd.Flags().DurationVar(&latency, "latency", 0, "how long every answer takes")
	return cmd
}
