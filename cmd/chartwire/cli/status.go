package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	var addresses []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Flows, lag, lanes, budget, breakers and dead letters of running processes",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if len(addresses) == 0 {
				c, err := a.config()
				if err != nil {
					return err
				}
				addresses = []string{c.HTTP.Address}
			}
			wrong := false
			for _, addr := range addresses {
				reports, err := fetchStatus(addr)
				if err != nil {
					return err
				}
				if asJSON {
					if err := json.NewEncoder(a.out).Encode(reports); err != nil {
						return err
					}
					continue
				}
				for _, r := range reports {
					if err := r.show(a.out, time.Now()); err != nil {
						return fmt.Errorf("reading the status of %s: %w", addr, err)
					}
					wrong = wrong || r.Halted != ""
				}
			}
			if wrong {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&addresses, "address", nil, "where the processes answer (http.address of the configuration by default)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "everything, as JSON")
	return cmd
}

func fetchStatus(addr string) ([]answer, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + addr + "/status")
	if err != nil {
		return nil, fmt.Errorf("asking the process at %s: %w; is `chartwire run` up, and is this its http.address?", addr, err)
	}
	defer resp.Body.Close()
	var reports []answer
	if err := json.NewDecoder(resp.Body).Decode(&reports); err != nil {
		return nil, fmt.Errorf("reading the status of %s: %w", addr, err)
	}
	return reports, nil
}
