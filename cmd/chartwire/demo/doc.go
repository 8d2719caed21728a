// Package demo is `chartwire demo`: the whole road on one machine, with a real
// MariaDB for a clinic and another for a shop, an embedded Kafka, a HubSpot that
// is as strict as the real one, and the same binary that runs in production as
// child process. The clinic's traffic is invented, the shop's was recorded.
//
// It ends by comparing what HubSpot holds with what the tables say, record by
// record and link by link, worked out without the code that it checks.
package demo
