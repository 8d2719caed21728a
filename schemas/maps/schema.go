package maps

import _ "embed"

// Schema is the JSON Schema of a map file: what an editor completes and checks
// while it is written.
//
//go:embed map.schema.json
var Schema []byte
