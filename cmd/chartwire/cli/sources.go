package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"chartwire/cdc"
	"chartwire/cdc/mysql"
	"chartwire/cdc/mysql/image"
	"chartwire/cmd/chartwire/config"
)

// sourceConfig is how a source is reached; what is read of it is added by the
// caller.
func (s *site) sourceConfig(name string) (mysql.Config, error) {
	src := s.cfg.Sources[name]
	servers := src.Servers()
	cfg := mysql.Config{
		Name: name, Addr: servers[0], Others: servers[1:], User: src.User, Password: src.Password.Reveal(),
		ServerID: uint32(src.ServerID), Retention: src.Retention, Memory: int(src.Memory),
		Snapshot: snapshotConfig(src),
		Log:      s.log,
	}
	for table, columns := range src.Dates {
		policies := map[string]image.DatePolicy{}
		for column, p := range columns {
			policies[column] = image.DatePolicy(p)
		}
		if cfg.Dates == nil {
			cfg.Dates = map[cdc.TableID]map[string]image.DatePolicy{}
		}
		cfg.Dates[cdc.TableID{Database: src.Database, Name: table}] = policies
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

// reader looks into the log of a source for what concerns the tables.
func (s *site) reader(name string, tables []cdc.TableID) (*mysql.Source, error) {
	cfg, err := s.sourceConfig(name)
	if err != nil {
		return nil, err
	}
	for _, id := range tables {
		cfg.Selections = append(cfg.Selections, cdc.Selection{Table: id})
	}
	return mysql.New(cfg)
}

func snapshotConfig(src config.Source) mysql.Snapshot {
	c := src.Snapshot
	out := mysql.Snapshot{ChunkRows: c.ChunkRows, Workers: c.Workers, Pause: c.Pause,
		Pace: mysql.Pace{Threads: c.MaxThreads, Rows: c.MaxRows, Replicas: c.Replicas, Lag: c.MaxLag, Zone: src.Zone.Location}}
	for _, h := range c.Hours {
		out.Pace.Hours = append(out.Pace.Hours, h.Hours)
	}
	return out
}

func (s *site) tablesOf(ctx context.Context, name string) ([]*cdc.Table, error) {
	cfg, err := s.sourceConfig(name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tables, err := mysql.Tables(ctx, cfg, s.cfg.Sources[name].Database)
	if err != nil {
		return nil, fmt.Errorf("reading the tables of source %s: %w", name, err)
	}
	return tables, nil
}

// tablesOrPinned is tables for what has to start while a database is away: its
// tables are then as their newest schemas in the registry describe them. away
// names those sources, those too of which the registry knows nothing.
func (s *site) tablesOrPinned(ctx context.Context) (all []*cdc.Table, away []string, err error) {
	for _, name := range keys(s.cfg.Sources) {
		tables, err := s.tablesOf(ctx, name)
		if cdc.HaltCode(err) != "" || ctx.Err() != nil {
			return nil, nil, err // refused: no waiting mends that
		}
		if err != nil {
			away = append(away, name)
			pinned, perr := s.pinned(ctx, name)
			if perr != nil || len(pinned) == 0 {
				return nil, away, errors.Join(err, perr)
			}
			s.log.Warn("a database does not answer: its tables are taken from the schema registry", "source", name, "tables", len(pinned), "err", err)
			tables = pinned
		}
		all = append(all, tables...)
	}
	return all, away, nil
}

// pinned are a source's tables as the registry knows them. That has the columns
// that are captured; what maps only name, such as one that is PHI and not read,
// comes from the pack's reference.
func (s *site) pinned(ctx context.Context, name string) ([]*cdc.Table, error) {
	tables, err := s.registry.Tables(ctx, s.topics, name)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	reference, err := referenceTables(mapFS(s.cfg), s.cfg.Sources[name].Kind)
	if err != nil {
		s.log.Warn("columns that are not captured are unknown", "source", name, "err", err)
	}
	for _, t := range tables {
		for _, ref := range reference {
			for _, c := range ref.Columns {
				if ref.Name == t.Name && t.Column(c.Name) < 0 {
					t.Columns = append(t.Columns, c)
				}
			}
		}
	}
	return tables, nil
}
