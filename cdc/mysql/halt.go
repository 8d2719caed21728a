package mysql

// The codes of the halts that this package makes; those of rows and columns
// are in package image. Each has a page: `chartwire explain CODE`.
const (
	HaltAccess       = "source-access"          // the server refuses the user
	HaltTLS          = "source-certificate"     // the server's certificate is another
	HaltPurged       = "binlog-purged"          // the log no longer has what comes next
	HaltServer       = "server-changed"         // another server, and no ids that hold on both
	HaltForeign      = "position-foreign"       // the position is of no log that this server has
	HaltErrant       = "position-ahead"         // transactions were read that this server never had
	HaltHistory      = "history-changed"        // the same id, another content
	HaltGTIDOff      = "gtid-off"               // the position is by ids, the server runs without
	HaltBinlogOff    = "binlog-off"             // there is nothing to read
	HaltServerID     = "server-id-taken"        // another reader uses our id
	HaltStatement    = "statement-event"        // rows changed, and the log has the statement alone
	HaltIncident     = "binlog-incident"        // the server says that its log has a hole
	HaltXA           = "xa-lost"                // committed, and its rows are no longer in the log
	HaltUnknownEvent = "event-unknown"          // a kind of event that may mean anything
	HaltEventSize    = "event-too-large"        // more than memory is to hold
	HaltStuck        = "stream-stuck"           // it breaks off at one place again and again
	HaltDamaged      = "event-damaged"          // an event that does not parse
	HaltCut          = "transaction-cut"        // a transaction that began and does not end
	HaltSavepoint    = "savepoint-too-late"     // rolled back to before rows that already left
	HaltResumeRow    = "resume-row-differs"     // inside a transaction, another row than before
	HaltVersioned    = "table-system-versioned" // history rows look like rows
	HaltTable        = "table-missing"          // a selected table that cannot be read
)
