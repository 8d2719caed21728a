// Package hubspot describes the HubSpot objects that the field maps need: their
// properties, options, groups, pipelines and association labels, as YAML files
// that a person can read and the account can be provisioned from.
//
// The same types describe what an account really has: the sink reads the live
// definitions into a [Schema], and the maps are compiled against that one.
// Compared with each other ([Schema.Missing]) they say what is to be created.
package hubspot
