package mysql

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/klauspost/compress/zstd"
)

// payload takes a compressed transaction apart (binlog_transaction_compression)
// event by event, so that memory does not grow with what it holds.
type payload struct {
	zstd  *zstd.Decoder
	in    bufio.Reader
	event []byte
	most  int // bytes of an event
}

const (
	payloadSize        = 1 // not needed: the event has a size
	payloadCompression = 2
	payloadUnpacked    = 3

	compressionZstd = 0
	compressionNone = 255
)

// maxEvent is the largest that a server can write (max_allowed_packet).
const maxEvent = 1<<30 + 1<<20

// minWindow is how far back whatever is packed with common settings looks, and
// may: it bounds the memory of unpacking where an event's is less.
const minWindow = 8 << 20

func (p *payload) each(e *event, f func(*event) error, damaged func(error) error) error {
	c := cursor{b: e.body}
	compression := uint64(compressionNone)
	for {
		field := c.packed()
		if field == 0 || c.bad {
			break
		}
		v := cursor{b: c.take(int(c.packed()))}
		switch field {
		case payloadCompression:
			compression = v.packed()
		case payloadSize, payloadUnpacked:
		}
	}
	if c.bad {
		return damaged(errShort)
	}
	var in io.Reader = bytes.NewReader(c.b)
	switch compression {
	case compressionNone:
	case compressionZstd:
		if p.zstd == nil {
			var err error
			p.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(max(minWindow, p.most))))
			if err != nil {
				return fmt.Errorf("unpacking transactions: %w", err)
			}
		}
		if err := p.zstd.Reset(in); err != nil {
			return damaged(err)
		}
		in = p.zstd
	default:
		return damaged(fmt.Errorf("a transaction compressed in the unknown way %d", compression))
	}
	p.in.Reset(in)
	for {
		inner, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = &oversize{replication.TRANSACTION_PAYLOAD_EVENT, uint64(e.size), p.most}
		}
		if err != nil {
			return damaged(fmt.Errorf("unpacking a transaction: %w", err))
		}
		if err := f(&inner); err != nil {
			return err
		}
	}
}

// next reads one event. Those inside carry no checksum.
func (p *payload) next() (event, error) {
	header, err := p.in.Peek(headerSize)
	if err != nil {
		if len(header) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return event{}, err
	}
	size := int(binary.LittleEndian.Uint32(header[9:]))
	if size < headerSize || size > maxEvent {
		return event{}, errShort
	}
	if size > p.most {
		return event{}, &oversize{replication.EventType(header[4]), uint64(size), p.most}
	}
	if cap(p.event) < size {
		p.event = make([]byte, size)
	}
	p.event = p.event[:size]
	if _, err := io.ReadFull(&p.in, p.event); err != nil {
		return event{}, io.ErrUnexpectedEOF
	}
	e, err := parseEvent(p.event, false)
	e.end = 0
	return e, err
}
