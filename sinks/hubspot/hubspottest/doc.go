// Package hubspottest is HubSpot as an HTTP server, for tests and the demo: one
// portal with contacts, deals, tickets, products and line items, their
// properties, pipelines, associations and owners, its limits, and faults on
// demand.
//
// It is strict. What HubSpot would refuse it refuses, in HubSpot's words, and
// where nobody could say what HubSpot does, it takes the answer that is harder
// on its client. Each oddity below carries how well it is known: [S] HubSpot's
// public API description, [D] its documentation, [L] seen on a live portal by
// somebody who says so, [T] a third party's code or test data, [K] remembered
// and not confirmed, [O] our own, on purpose.
//
//	s := hubspottest.New(hubspottest.Options{})
//	url := s.Start(t)
//	s.Inject(hubspottest.Fault{Kind: hubspottest.AnswerLost, Path: "batch/upsert", Count: 1})
//	… the client works against url with hubspottest.DefaultToken …
//	r, ok := s.Lookup("contacts", "open_medical_patient_id", "7")
//
// [Server.Transport] serves without a socket, for tests in a synctest bubble.
// All time is time.Now; nothing runs in the background.
//
// # Paths
//
// The families objects, properties, property-validations, pipelines, owners,
// schemas, limits, object-library and account-info at v3, 2026-03 and 2026-09,
// associations at v4 and the dated ones, each with the version where that family has it [S,D]; objects by name or type
// id [L]. Unknown versions are 404, unknown object types 400 "Unable to infer
// object type from: …" [T], calls that are not imitated 501 [O].
//
// # Batches
//
//   - At most 100 inputs [L], ids not twice: 400 "Duplicate IDs found in batch
//     input" [T,L]. One idProperty for all [K].
//   - Without objectWriteTraceId one bad input refuses the batch. With one of
//     its own on every input the answer is 207: the good ones written, errors[]
//     naming the trace ids of the others [D,L].
//   - A conflict on e-mail is 409 "Contact already exists. Existing ID: …", or
//     an error of category CONFLICT with existingId in a 207 [T]. A conflict on
//     another unique property says "Cannot set PropertyValueCoordinates{…}. N
//     already has that value.": 409 for a whole batch [T], VALIDATION_ERROR and
//     400 for one record and inside a 207 [T]. Options.WholeBatchConflicts
//     refuses the whole batch even with trace ids, since nobody could say that
//     HubSpot never does [O].
//   - Ids that do not exist: one error may list many, without trace ids [T]; 207
//     for read, and for update with trace ids, else 404 [T].
//   - Results come in any order (by Options.Seed) [L] and hold what was sent as
//     it is stored now, with the id, createdate and the modification date [K].
//   - upsert needs a unique property: any other is 400 "Unable to perform
//     update/upsert by non-unique 0-1 property …" [L], hs_object_id and
//     hs_unique_creation_key too [L].
//
// # Values
//
//   - Texts only: JSON numbers, booleans and null are refused [O]; unknown fields
//     of a body too [O]. Blanks around a value go [K]. "" clears [D].
//   - 65,536 characters of UTF-16 [D]. Code PROPERTY_VALUE_TOO_LONG [K].
//   - e-mail: form and ending checked, stored in lower case [T,L]; the list of
//     wrong endings is short, and reserved ones such as .test are wrong [O].
//   - date: YYYY-MM-DD or midnight UTC, else INVALID_DATE "… is at 6:12:58.0
//     UTC, not midnight!" [D,T]; datetime: ISO 8601 with a zone, or
//     milliseconds; what is neither is INVALID_LONG [T].
//   - number: digits and a point, else INVALID_NUMBER [K for the code]; stored
//     without zeros that say nothing [K]. bool: true or false [D].
//   - enumeration: the value, not the label, else INVALID_OPTION with the list
//     [T]. Several between semicolons; a leading one adds to what is held [K].
//     An owner must exist and be active [K].
//   - READ_ONLY_VALUE for what only HubSpot sets [T]; PROPERTY_DOESNT_EXIST [T].
//     All of them stand as JSON inside the message, and in errors[] [T].
//   - lifecyclestage goes forward only: a step back is answered with success and
//     changes nothing; clearing it first, in another request, helps [T].
//   - Custom unique texts have case [T]; e-mail has none [L].
//   - Tickets need subject and hs_pipeline_stage; the stage must be one of the
//     pipeline's, by id [S]. Without a pipeline it is the first one, and a new
//     pipeline without a stage begins at its first [K].
//   - Deals need dealname and dealstage [D]; a stage of another pipeline is
//     refused, a stage is named by its id [S]. A new stage needs a probability;
//     0 and 1 are the closed ones [S]. Moving a deal to a closed stage sets
//     closedate unless the same write does [D]; createdate is read-only unless
//     Options.CreateDates [K: portals differ]. A currency must be one of the
//     account's [D].
//   - Products need a name [K]; hs_sku is unique [L]; there are no variants [T].
//     hs_recurring_billing_period is a period such as P12M [T], of any other
//     text INVALID_FORMAT [O]. A line item takes over what it does not say from
//     its product, which must exist [D; code INVALID_PRODUCT_ID O].
//   - Required properties of an administrator hold from 2026-09 on, for creates
//     only [D,L].
//   - History: a version per change, newest first, with source and time [S]; a
//     value that was already held adds none [K].
//
// # Records
//
//   - Archived records keep their values and give their unique ones free: an
//     upsert makes a new record [K]. Archiving what is not there is no error [K].
//   - A merge makes a new id to which both old ones lead; of unique values only
//     the primary's survive, the other address becomes an additional one that
//     still finds the record [D,K]. The merged-away are in no list, and not
//     archived [T]. Products and line items do not merge [S].
//   - gdpr-delete is for good and blocks the address [S].
//   - Search shows the portal of Options.SearchLag ago [L for a lag]; 200 a page,
//     10,000 in all, one sort, five groups of six filters and 18 in all [S,T].
//
// # Associations
//
//   - Without a label by HubSpot's own ids, which differ by direction: contact
//     and deal 4, 3, contact and ticket 15, 16 [T], deal and line item 19, 20,
//     deal and ticket 27, 28, contacts 449, deals 451, tickets 452 among
//     themselves [K]. Products have none [D]. Another id, the other direction's
//     or another category refuses the whole request [K].
//   - Labels are the account's own. Their ids count from 1 and may equal one of
//     HubSpot's: only category and id together name a type [O]. A label makes
//     the association without one, too; ending that one ends the labels [S].
//     Making one direction makes the other [D,L], making one twice is no error
//     [L]. At most ten per pair [D, older text]; line items have none [O].
//   - Batches of 2,000, reads of 1,000 [K,D], 500 associations of a record a
//     page [D for one record, K for batches]; inline on create only [S]. A
//     missing end is an error in a 207 with fromObjectId and toObjectId [K], and
//     no error when associations end [K]; a read of a record without any is
//     NO_ASSOCIATIONS_FOUND in a 207 [T].
//   - At most 10,000 of one record with those of one object, a line item with
//     one deal: VALIDATION_ERROR in a 207, subCategory
//     crm.associations.LIMIT_EXCEEDED [O; HubSpot's numbers differ by object].
//   - toObjectId is a JSON number [T]. A merge takes them along [K]; archiving
//     ends them [K]. v4 answers 204 when they end, dated versions 200 [S].
//
// # Limits
//
//   - Per token 190 requests in any ten seconds, per account a number a day that
//     ends at the account's midnight [D]; five searches a second for the account
//     [D], which count for the day and not for the ten seconds [K], and whose
//     answers have no rate headers [T]. Refused requests are not counted [K].
//   - 429 with policyName TEN_SECONDLY_ROLLING, DAILY, SECONDLY [D,T]; no
//     Retry-After unless a fault adds it.
//   - The usage call answers what was true up to five minutes ago [K].
//   - Ten custom unique properties, 1,000 custom properties per object [D,K];
//     hasUniqueValue and dataSensitivity never change [D,S].
//   - Sensitive values need the scope of their level [D].
//
// # Not imitated
//
// Custom objects, other object types (an entry in kinds.go and default
// properties each), association limits by kind and their reports, imports and exports,
// webhooks and the journal, timeline events, restoring from the recycle bin,
// calculated properties (they exist, and stay empty), property groups other
// than making and listing them, changes of pipelines other than new ones and new
// stages, the effect of GDPR on history, OAuth.
package hubspottest
