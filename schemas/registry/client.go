package registry

import (
	"context"
	"crypto/tls"
	"errors"

	"chartwire/schemas"
)

// Options says where the registry is.
type Options struct {
	URLs           []string
	User, Password string
	TLS            *tls.Config
}

// Client registers and finds the schemas of row topics. It remembers what it
// saw and is safe for concurrent use.
type Client struct{}

// New makes a client. It makes no call.
func New(o Options) (*Client, error) { return nil, errors.New("registry: not there yet") }

// Register gives the id of the schema under the topic's subject, registering
// it if it is new there. A schema that readers of the older ones would
// misread is a [*cdc.Halt].
func (c *Client) Register(ctx context.Context, topic string, s *schemas.RowSchema) (id int, err error) {
	return 0, errors.New("registry: not there yet")
}

// Schema gives the schema with the id; the same pointer each time.
func (c *Client) Schema(ctx context.Context, id int) (*schemas.RowSchema, error) {
	return nil, errors.New("registry: not there yet")
}
