// Package config reads the one configuration file of Chartwire, and is the only
// reader of it. It is strict: an unknown key, a wrong unit, a missing secret
// are errors with their line, and all of them are said at once.
//
// Secrets are never in the file: a secret is ${NAME} from the environment or
// file:PATH.
package config
