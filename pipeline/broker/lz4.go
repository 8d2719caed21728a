package broker

import (
	"bytes"
	"sync"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// compressor is the client's lz4 with small blocks. With the 4 MiB that the
// library takes unless told otherwise, each batch, be it of one record, needs a
// buffer of that size, at the writer, the broker and every reader; and what is
// compressed leaves the processor's cache before it is. The checksum of the
// content is left out: a batch has its own.
type compressor struct {
	small sync.Pool // for what fits into one block of 64 KiB, the least there is
	large sync.Pool // 256 KiB: what a batch of 4 MiB gains by larger ones is nothing
}

// worthwhile is the size of a batch below which nothing is gained.
const worthwhile = 128

func newCompressor() *compressor {
	writer := func(size lz4.BlockSize) func() any {
		return func() any {
			w := lz4.NewWriter(nil)
			if err := w.Apply(lz4.BlockSizeOption(size), lz4.ChecksumOption(false)); err != nil {
				panic(err) // both are options that the library has
			}
			return w
		}
	}
	return &compressor{small: sync.Pool{New: writer(lz4.Block64Kb)}, large: sync.Pool{New: writer(lz4.Block256Kb)}}
}

// Compress implements [kgo.Compressor].
func (c *compressor) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	if len(src) < worthwhile {
		return src, kgo.CodecNone
	}
	pool := &c.large
	if len(src) <= int(lz4.Block64Kb) {
		pool = &c.small
	}
	w := pool.Get().(*lz4.Writer)
	defer pool.Put(w)
	w.Reset(dst)
	if _, err := w.Write(src); err != nil {
		return nil, kgo.CodecError
	}
	if err := w.Close(); err != nil {
		return nil, kgo.CodecError
	}
	return dst.Bytes(), kgo.CodecLz4
}
