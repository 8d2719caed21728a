//go:build !unix

package broker

import (
	"errors"
	"os"
)

var errLocked = errors.New("another process has the lock")

func lockFile(string) (*os.File, error) {
	return nil, errors.New("the embedded broker needs a Unix system; set the addresses of a Kafka cluster")
}
