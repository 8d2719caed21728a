// Package notify is the sink of critical alerts: a signed HTTP POST to the
// receiver that a route names (a pager, an SMS gateway, a chat). It knows
// nothing of HubSpot and works while HubSpot is down.
//
// A notification is a write to the object "pages", keyed by "page_key", with
// the properties of [Properties]. What goes out is [Page]: a title and a text
// that a rule's author wrote, and a link; never a value of a patient. The
// record's own key stays here: the page carries an opaque reference instead.
//
// # What holds
//
//   - A receiver that answers 2xx has the page. A page may arrive more than
//     once, always with the same id; a receiver that has seen the id drops it.
//   - Every page is signed (see [Sign] and [Verify]) with its id and time, so
//     that a receiver can refuse what is forged, changed or replayed.
//   - A page for a route that is not configured, or whose receiver refuses all
//     pages, goes to the route "default": told to the wrong person is better
//     than told to nobody. It is counted and logged.
//   - Where a route has a second person, a page that nobody has acknowledged
//     in time goes to them too, until it is taken. What is still to be
//     acknowledged is in a file, so that a restart forgets nobody.
//   - A watchdog outside is signalled every 30 seconds as long as the process
//     is healthy: it raises the alarm when the signal stays away.
package notify
