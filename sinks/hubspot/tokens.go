package hubspot

import "regexp"

var (
	// token is what may be repeated from an answer unseen: a code, a name of a
	// property or scope, a correlation id. Values of records rarely look so,
	// and the fields that are checked by it never hold them.
	token  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$`)
	digits = regexp.MustCompile(`^[0-9]{1,20}$`)
)
