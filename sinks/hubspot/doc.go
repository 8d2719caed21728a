// Package hubspot is the HubSpot sink: a thin client of about a dozen calls,
// the limiter that shares an account's limits with other applications, circuit
// breakers, batches with one result per record, and the comparison of what the
// maps need with what the account offers.
//
// # What holds
//
//   - A record is written by batch upsert on a unique property of its own, never
//     by e-mail: e-mail addresses are shared and change. Writing twice equals
//     writing once, so every call may be repeated.
//   - Each input carries a trace id, and results are matched by it, never by
//     place: HubSpot answers in any order. What is in neither the results nor
//     the errors failed. A batch refused as a whole is halved until the record
//     that is to blame is alone.
//   - A refusal names the property and says HubSpot's words with every value of
//     the record taken out of them.
//   - Labels of options, pipelines and stages become ids here, from the account.
//   - A call is counted before it is made. Safety writes have a reserve in the
//     10-second window and in the day, and a breaker of their own.
//   - Credentials refused, scopes missing, a property gone: a [cdc.Halt], since
//     every record would fail. HubSpot slow, locked, broken or silent:
//     [sinks.Unavailable]. Too many calls: [sinks.Throttled].
//
// The API's shape differs by version; all paths are in one table (paths.go).
// hubspottest is an HTTP server that behaves like HubSpot; everything here is
// tested against it.
package hubspot
