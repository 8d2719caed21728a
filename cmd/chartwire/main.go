// Chartwire keeps HubSpot true to clinical and shop databases.
package main

import (
	"os"

	"chartwire/cmd/chartwire/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
