package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sort"
	"strings"
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
					a.showReport(r)
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

func fetchStatus(addr string) ([]Report, error) {
	client := &http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + addr + "/status")
	if err != nil {
		return nil, fmt.Errorf("asking the process at %s: %w; is `chartwire run` up, and is this its http.address?", addr, err)
	}
	defer resp.Body.Close()
	var reports []Report
	if err := json.NewDecoder(resp.Body).Decode(&reports); err != nil {
		return nil, fmt.Errorf("reading the status of %s: %w", addr, err)
	}
	return reports, nil
}

func (a *app) showReport(r Report) {
	fmt.Fprintf(a.out, "%s %s: %s\n", r.Stage, r.Name, readiness(r))
	if r.Halted != "" {
		fmt.Fprintf(a.out, "  halted     %s\n  to do      chartwire explain %s\n", r.Error, r.Halted)
	}
	showFields(a, r.Status, "  ")
}

func readiness(r Report) string {
	if r.Ready == "yes" {
		return "ready"
	}
	return r.Ready
}

// showFields prints a stage's status as it comes, so that what a stage adds to
// its status needs no line here.
func showFields(a *app, v any, indent string) {
	m, ok := v.(map[string]any)
	if !ok {
		return
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		switch value := m[k].(type) {
		case nil:
		case map[string]any:
			fmt.Fprintf(a.out, "%s%s\n", indent, k)
			showFields(a, value, indent+"  ")
		case []any:
			var parts []string
			for _, e := range value {
				if obj, ok := e.(map[string]any); ok {
					fmt.Fprintf(a.out, "%s%s\n", indent, k)
					showFields(a, obj, indent+"  ")
					continue
				}
				parts = append(parts, fmt.Sprint(e))
			}
			if len(parts) > 0 {
				fmt.Fprintf(a.out, "%s%-10s %s\n", indent, k, strings.Join(parts, " "))
			}
		case float64:
			fmt.Fprintf(a.out, "%s%-10s %s\n", indent, k, strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", value), "0"), "."))
		default:
			fmt.Fprintf(a.out, "%s%-10s %v\n", indent, k, value)
		}
	}
}
