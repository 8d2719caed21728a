// Package cli is the commands of the chartwire binary. It is where all parts
// meet: it alone knows MySQL, Kafka and HubSpot at once.
package cli
