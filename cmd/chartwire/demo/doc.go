// Package demo is `chartwire demo`: the whole road on one machine, with a real
// MariaDB, an embedded Kafka, a HubSpot that is as strict as the real one, and
// the same binary that runs in production as child process.
//
// Beside the clinic's patients a recorded shop is traded in. It ends by comparing what HubSpot holds with what the tables say, record by
// record, worked out without the code that it checks.
package demo
