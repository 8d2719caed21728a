package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
)

// sourceConfig is how a source is reached; what is read of it is added by the
// caller.
func (s *site) sourceConfig(name string) (mysql.Config, error) {
	src := s.cfg.Sources[name]
	cfg := mysql.Config{
		Name: name, Addr: src.Address, User: src.User, Password: src.Password.Reveal(),
		ServerID: uint32(src.ServerID),
		Snapshot: mysql.Snapshot{ChunkRows: src.Snapshot.ChunkRows, Pause: src.Snapshot.Pause},
		Log:      s.log,
	}
	if t := src.TLS; t != nil {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
		if t.CA != "" {
			pem, err := os.ReadFile(t.CA)
			if err != nil {
				return cfg, fmt.Errorf("reading the CA certificates of source %s: %w", name, err)
			}
			cfg.TLS.RootCAs = x509.NewCertPool()
			if !cfg.TLS.RootCAs.AppendCertsFromPEM(pem) {
				return cfg, fmt.Errorf("source %s: no PEM certificate in %s", name, t.CA)
			}
		}
		if t.Cert != "" {
			pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
			if err != nil {
				return cfg, fmt.Errorf("reading the client certificate of source %s: %w", name, err)
			}
			cfg.TLS.Certificates = []tls.Certificate{pair}
		}
		if t.Verify == "ca" {
			cfg.TLS = mysql.VerifyAuthority(cfg.TLS)
		}
	}
	return cfg, nil
}

// tables reads what tables the databases have.
func (s *site) tables(ctx context.Context) ([]*cdc.Table, error) {
	var all []*cdc.Table
	for _, name := range keys(s.cfg.Sources) {
		cfg, err := s.sourceConfig(name)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		tables, err := mysql.Tables(ctx, cfg, s.cfg.Sources[name].Database)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("reading the tables of source %s: %w", name, err)
		}
		all = append(all, tables...)
	}
	return all, nil
}
