package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"chartwire/cdc"
	"chartwire/cdc/mysql/image"
)

// Tables describes the base tables of a database as its server does now, with
// all columns: what maps are compiled against before the first row is read.
// What is read and written comes from the stream's own table maps. A column
// that cannot be captured is there, with a type that is unknown.
func Tables(ctx context.Context, cfg Config, database string) ([]*cdc.Table, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg.setDefaults()
	s := &Source{cfg: cfg, addrs: cfg.addrs()}
	c, err := s.dial(ctx)
	for i := 1; err != nil && i < len(s.addrs); i++ {
		s.turn.Store(int32(i))
		c, err = s.dial(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", cfg.Name, err)
	}
	defer c.close()
	version, err := c.value("SELECT VERSION()")
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", cfg.Name, err)
	}
	infos, err := describeTables(c, cfg.Name, isMaria(version), database, "")
	if err != nil {
		return nil, fmt.Errorf("source %s: describing the tables of %s: %w", cfg.Name, database, err)
	}
	var tables []*cdc.Table
	for _, info := range infos {
		if info.view || len(info.meta.Columns) == 0 {
			continue
		}
		t, err := info.table()
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", cfg.Name, err)
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// table is the whole table, as an encoder of all its columns would describe it.
func (info *tableInfo) table() (*cdc.Table, error) {
	meta := *info.meta
	t := &cdc.Table{Source: meta.Source, Database: meta.Database, Name: meta.Name, Key: meta.Key}
	var halt *cdc.Halt
	for i := range meta.Columns {
		one := meta
		one.Columns = slices.Clone(meta.Columns[i : i+1])
		one.Key = []int{0}
		c := cdc.Column{Name: meta.Columns[i].Name}
		switch enc, err := image.Compile(&one, nil); {
		case err == nil:
			c = enc.Table().Columns[0]
		case !errors.As(err, &halt):
			return nil, err
		}
		t.Columns = append(t.Columns, c)
	}
	return t, nil
}
