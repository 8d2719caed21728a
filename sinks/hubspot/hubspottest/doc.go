// Package hubspottest is HubSpot as an HTTP server, for tests and the demo.
package hubspottest
