package mysql

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// origin is where a server is asked to start its log: a place, or everything
// that is not in a set.
type origin struct {
	at  place
	set gtidSet
	all bool // the set is empty, and means the log's very start
	// hole says that the transaction which the set ends with may have none of its
	// own in this server's log (MariaDB): it was empty, or the log is compared
	// anyway.
	hole bool
}

// dump asks the server for its log and starts to read it. The connection is
// the reader's from then on. The server knows it by id.
func (s *Source) dump(ctx context.Context, v *server, from origin, id uint32) (*reader, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.startDump(c, v, from, id); err != nil {
		c.close()
		return nil, fmt.Errorf("asking %s for its binlog: %w", s.addr(), s.explain(said(err)))
	}
	return newReader(c, 3*s.cfg.Heartbeat, s.cfg.maxEvent()), nil
}

func (s *Source) startDump(c *conn, v *server, from origin, id uint32) error {
	period := s.cfg.Heartbeat.Nanoseconds()
	settings := fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %d, "+
		"@master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum, "+
		"@@SESSION.net_write_timeout = 600", period, period)
	if v.maria {
		strict := 1
		if from.hole {
			strict = 0
		}
		settings += fmt.Sprintf(", @mariadb_slave_capability = 4, @slave_gtid_strict_mode = %d", strict)
		if from.at.isZero() {
			settings += ", @slave_connect_state = " + text(from.set.String())
		}
	} else {
		uuid, err := c.value("SELECT UUID()")
		if err != nil {
			return err
		}
		settings += ", @slave_uuid = " + text(uuid) + ", @replica_uuid = " + text(uuid)
	}
	if _, err := c.query(settings); err != nil {
		return err
	}
	c.patience(queryTimeout)
	if err := s.register(c, id); err != nil {
		return err
	}
	c.ResetSequence()
	command, err := dumpCommand(v, from, id)
	if err != nil {
		return err
	}
	return c.WritePacket(command)
}

// register makes the reader known, so that SHOW REPLICAS names it.
func (s *Source) register(c *conn, id uint32) error {
	host, _ := os.Hostname()
	host = host[:min(len(host), 60)]
	b := append(make([]byte, 4), gomysql.COM_REGISTER_SLAVE)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = append(append(b, byte(len(host))), host...)
	b = append(b, 0, 0)       // no user, no password
	b = append(b, 0, 0)       // port
	b = append(b, 0, 0, 0, 0) // rank
	b = append(b, 0, 0, 0, 0) // the primary's id
	c.ResetSequence()
	if err := c.WritePacket(b); err != nil {
		return err
	}
	_, err := c.ReadOKPacket()
	return err
}

func dumpCommand(v *server, from origin, id uint32) ([]byte, error) {
	b := make([]byte, 4)
	if !from.at.isZero() || v.maria {
		if from.at.offset > math.MaxUint32 {
			return nil, fmt.Errorf("the protocol cannot name %s: it lies beyond 4 GiB", from.at)
		}
		b = append(b, gomysql.COM_BINLOG_DUMP)
		b = binary.LittleEndian.AppendUint32(b, uint32(max(from.at.offset, 4)))
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, id)
		return append(b, from.at.file...), nil
	}
	set, err := gomysql.ParseMysqlGTIDSet(from.set.String())
	if err != nil {
		return nil, fmt.Errorf("encoding the position: %w", err)
	}
	data := set.Encode()
	b = append(b, gomysql.COM_BINLOG_DUMP_GTID, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = append(b, 0, 0, 0, 0) // no file name
	b = binary.LittleEndian.AppendUint64(b, 4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...), nil
}
