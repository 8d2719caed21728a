// Package maps holds the map packs: for each kind of source a folder with its
// field maps and rules (YAML), and the reference DDL of the tables they read.
package maps

import "embed"

// Files are the packs: <pack>/<map>.yaml and <pack>/reference.sql.
//
//go:embed om-aggregation labs
var Files embed.FS
