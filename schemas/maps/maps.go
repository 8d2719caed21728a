// Package maps holds the map packs: for each kind of source a folder with its
// field maps and rules (YAML), the reference DDL of the tables they read, and a
// README. LANGUAGE.md describes the language of the maps, map.schema.json is its
// JSON Schema.
package maps

import "embed"

// Files are the packs: <pack>/<map>.yaml and <pack>/reference.sql.
//
//go:embed om-aggregation labs woocommerce
var Files embed.FS
