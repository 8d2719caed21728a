package mysql

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"
)

// meddler stands between a capture and its server and changes what the server
// sends of its log, packet by packet. Everything else goes through.
type meddler struct {
	net.Listener
	upstream string
	mu       sync.Mutex
	// edit gets each packet of a dump, its header in front, and gives what to
	// send instead; nil ends the connection, silent leaves it open for ever.
	edit   func(packet []byte) []byte
	done   chan struct{}
	silent []byte
	// cutNext ends the connection at the next packet.
	cutNext atomic.Bool
}

func meddle(t *testing.T, upstream string) *meddler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{Listener: l, upstream: upstream, done: make(chan struct{}), silent: []byte("nothing comes any more")}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		close(m.done)
		l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { m.serve(in) })
		}
	})
	return m
}

func (m *meddler) set(edit func(packet []byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.edit = edit
}

func (m *meddler) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", m.upstream)
	if err != nil {
		return
	}
	defer out.Close()
	over := make(chan struct{})
	defer close(over)
	go func() { // ends the connections at the test's end
		select {
		case <-m.done:
		case <-over:
		}
		in.Close()
		out.Close()
	}()
	dump := make(chan struct{})
	go func() {
		defer out.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := in.Read(b)
			if n > 4 && b[3] == 0 && (b[4] == 0x12 || b[4] == 0x1e) {
				close(dump)
			}
			if _, werr := out.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}()
	dumping := false
	for {
		packet, err := readPacket(out)
		if err != nil {
			return
		}
		select {
		case <-dump:
			dumping, dump = true, nil
		default:
		}
		if dumping {
			m.mu.Lock()
			edit := m.edit
			m.mu.Unlock()
			if edit != nil {
				packet = edit(packet)
			}
			if packet == nil {
				return
			}
			if string(packet) == string(m.silent) {
				<-m.done
				return
			}
		}
		if _, err := in.Write(packet); err != nil {
			return
		}
	}
}

func readPacket(r io.Reader) ([]byte, error) {
	head := make([]byte, packetHead)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	packet := append(head, make([]byte, n)...)
	_, err := io.ReadFull(r, packet[packetHead:])
	return packet, err
}

// wireKind is the kind of the event in a packet, 0 if there is none.
func wireKind(packet []byte) replication.EventType {
	if len(packet) < packetHead+1+headerSize || packet[packetHead] != 0 {
		return 0
	}
	return replication.EventType(packet[packetHead+1+4])
}

// onRows makes an edit of one that is for the row events of new rows.
func onRows(edit func(packet []byte) []byte) func([]byte) []byte {
	return func(p []byte) []byte {
		switch wireKind(p) {
		case replication.WRITE_ROWS_EVENTv1, replication.WRITE_ROWS_EVENTv2:
			return edit(p)
		}
		return p
	}
}

// repack gives a packet for an event that was changed: its sizes and checksum
// are right again.
func repack(sequence byte, event []byte) []byte {
	binary.LittleEndian.PutUint32(event[9:], uint32(len(event)+4))
	event = binary.LittleEndian.AppendUint32(event, crc32.ChecksumIEEE(event))
	n := len(event) + 1
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence, 0}, event...)
}

// bare is the event of a packet without its checksum, to be changed.
func bare(packet []byte) []byte {
	return append([]byte(nil), packet[packetHead+1:len(packet)-4]...)
}
