// Package shop is a real shop's traffic: 54 recorded scenarios of WordPress with
// WooCommerce and its subscriptions, as the row binlogs that MariaDB wrote, and
// what HubSpot should hold after them.
//
// The player turns the recorded rows into statements again and executes them at
// a pace, scenario after scenario or interleaved as if many shoppers came at
// once. Two oracles say what should come out: SQL over the final tables for what
// is a function of the rows, and a fold over the changes in the order in which
// they were committed for what depends on the way there. Neither shares a line
// with the code that they check: the package imports nothing of Chartwire.
package shop
