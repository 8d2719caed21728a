package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// MaxRecordBytes is the largest record, key and value, that a topic takes if
// the configuration does not say more: a row before and after and its envelope.
// It is also the largest batch that the
// client makes, and so what it takes in memory on a backlog: 16 MiB took twice
// what 4 MiB takes, and was no faster.
const MaxRecordBytes = 4 << 20

// Config says how to reach a Kafka cluster.
type Config struct {
	Brokers  []string
	TLS      *TLS  // nil: plain TCP
	SASL     *SASL // nil: no authentication, or the client certificate of TLS
	ClientID string
	// Replication is the replication factor of the topics that Chartwire
	// creates; 0 leaves it to the cluster.
	Replication int
	// MaxRecord is the largest record that a topic takes; 0 means
	// [MaxRecordBytes]. Every process of an installation has the same. Topics that
	// exist are changed when it grows.
	MaxRecord int
	// Embedded says that the cluster is an [Embedded] broker, whose topics are
	// neither compacted nor deleted.
	Embedded bool
	// Dial replaces net.Dialer for the connections to brokers; the address is
	// the one that the cluster advertises.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says how to trust and be trusted. All fields are optional.
type TLS struct {
	CA         string // file of PEM certificates; empty: those of the system
	Cert, Key  string // files of PEM, for a client certificate
	ServerName string // when the certificate names another host than the address
}

// SASL is a user and a password, and how they are shown to the broker.
type SASL struct {
	Mechanism string // SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN
	User      string
	Password  string
}

// Largest is the most bytes that the key and the value of a record may have
// together: what is left beside headers and framing.
func (c Config) Largest() int { return c.maxRecord() - overhead }

// overhead is room for headers and framing.
const overhead = 16 << 10

// larger says whether records may be larger than in topics as they are made
// without a setting.
func (c Config) larger() bool { return c.MaxRecord > MaxRecordBytes }

func (c Config) maxRecord() int {
	if c.MaxRecord == 0 {
		return MaxRecordBytes
	}
	return c.MaxRecord
}

// Options gives the client options of the cluster, those that every client of
// Chartwire shares. The error joins everything that is wrong.
func (c Config) Options() ([]kgo.Opt, error) {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("kafka: no broker address"))
	}
	id := c.ClientID
	if id == "" {
		id = "chartwire"
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(id),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.WithCompressor(newCompressor()),
		kgo.ProducerBatchMaxBytes(int32(c.maxRecord())),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		// A topic made a moment ago is found within this, not within the
		// default of five seconds.
		kgo.MetadataMinAge(100 * time.Millisecond),
		// The broker answers so while it still writes the markers of the last
		// transaction, a millisecond or two.
		kgo.ConcurrentTransactionsBackoff(2 * time.Millisecond),
	}
	if c.TLS != nil {
		t, err := c.TLS.config()
		if err != nil {
			errs = append(errs, err)
		}
		if c.Dial != nil {
			opts = append(opts, kgo.Dialer(dialTLS(c.Dial, t)))
		} else {
			opts = append(opts, kgo.DialTLSConfig(t))
		}
	} else if c.Dial != nil {
		opts = append(opts, kgo.Dialer(c.Dial))
	}
	if c.SASL != nil {
		m, err := c.SASL.mechanism()
		if err != nil {
			errs = append(errs, err)
		} else {
			opts = append(opts, kgo.SASL(m))
		}
	}
	return opts, errors.Join(errs...)
}

// Client makes a client of the cluster with further options.
func (c Config) Client(more ...kgo.Opt) (*kgo.Client, error) {
	opts, err := c.Options()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return cl, nil
}

func (t *TLS) config() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	var errs []error
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			errs = append(errs, fmt.Errorf("kafka: reading the CA certificates: %w", err))
		} else {
			out.RootCAs = x509.NewCertPool()
			if !out.RootCAs.AppendCertsFromPEM(pem) {
				errs = append(errs, fmt.Errorf("kafka: no PEM certificate in the CA file %s", t.CA))
			}
		}
	}
	switch {
	case t.Cert != "" && t.Key != "":
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			errs = append(errs, fmt.Errorf("kafka: reading the client certificate: %w", err))
		}
		out.Certificates = []tls.Certificate{pair}
	case t.Cert != "" || t.Key != "":
		errs = append(errs, errors.New("kafka: a client certificate needs both the certificate and the key file"))
	}
	return out, errors.Join(errs...)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

func dialTLS(dial dialFunc, conf *tls.Config) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conf := conf.Clone()
		if conf.ServerName == "" {
			conf.ServerName, _, _ = net.SplitHostPort(address)
		}
		conn := tls.Client(raw, conf)
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		return conn, nil
	}
}

func (s *SASL) mechanism() (sasl.Mechanism, error) {
	if s.User == "" || s.Password == "" {
		return nil, errors.New("kafka: SASL needs a user and a password")
	}
	switch strings.ToUpper(s.Mechanism) {
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha512Mechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.User, Pass: s.Password}.AsSha256Mechanism(), nil
	case "PLAIN":
		return plain.Auth{User: s.User, Pass: s.Password}.AsMechanism(), nil
	}
	return nil, fmt.Errorf("kafka: SASL mechanism %q: one of SCRAM-SHA-512, SCRAM-SHA-256, PLAIN", s.Mechanism)
}
