package mysql

import (
	"bytes"
	"fmt"
	"io"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zlib"
)

// unpackMaria unpacks what MariaDB compresses inside an event
// (log_bin_compress): a byte that says how (0 is zlib, the only one) and how
// many bytes the size has, the size with the most significant byte first, and
// the packed bytes.
func unpackMaria(packed []byte, most int) ([]byte, error) {
	c := cursor{b: packed}
	first := c.uint(1)
	size := uint64(0)
	for _, b := range c.take(int(first & 7)) {
		size = size<<8 | uint64(b)
	}
	switch {
	case c.bad:
		return nil, errShort
	case first>>4&7 != 0:
		return nil, fmt.Errorf("packed in the unknown way %d", first>>4&7)
	case size > maxEvent:
		return nil, fmt.Errorf("packed from %d bytes, more than an event has", size)
	case size > uint64(most):
		return nil, &oversize{replication.MARIADB_UPDATE_ROWS_COMPRESSED_EVENT_V1, size, most}
	}
	z, err := zlib.NewReader(bytes.NewReader(c.b))
	if err != nil {
		return nil, err
	}
	// The size is not believed before the bytes are there.
	out, err := io.ReadAll(io.LimitReader(z, int64(size)))
	if err != nil {
		return nil, err
	}
	if uint64(len(out)) != size {
		return nil, errShort
	}
	return out, nil
}
