package broker

import (
	"errors"

	"chartwire/cdc"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Denied gives err as the [cdc.Halt] "kafka-denied" when the cluster refused
// who we are or what we may do, which waiting does not mend; else err itself.
func Denied(err error) error {
	for _, denied := range []error{
		kerr.SaslAuthenticationFailed, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, denied) {
			return &cdc.Halt{Code: "kafka-denied", Text: "Kafka refuses the user or an operation; `chartwire check` prints the ACLs that are needed", Err: err}
		}
	}
	return err
}
