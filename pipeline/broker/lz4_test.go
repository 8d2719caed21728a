package broker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestCompressor compresses batches of any size, one after the other, and reads
// them back as the client does.
func TestCompressor(t *testing.T) {
	var c kgo.Compressor = newCompressor()
	rng := rand.New(rand.NewPCG(1, 1))
	back := kgo.DefaultDecompressor()
	for _, size := range []int{0, 1, worthwhile - 1, worthwhile, 1000, 64 << 10, 64<<10 + 1, 1 << 20, MaxRecordBytes} {
		for _, alike := range []bool{true, false} {
			src := batchOf(rng, size, alike)
			var dst bytes.Buffer
			got, codec := c.Compress(&dst, src)
			if want := kgo.CodecLz4; size >= worthwhile && codec != want {
				t.Errorf("%d bytes: codec %d, want %d", size, codec, want)
			}
			if alike && size >= 1000 && len(got) > size/3 {
				t.Errorf("%d bytes alike became %d", size, len(got))
			}
			block := byte(4) // 64 KiB in the frame's words
			if size > 64<<10 {
				block = 5
			}
			if codec == kgo.CodecLz4 && (got[4]>>4&3 != 2 || got[4]&4 != 0 || got[5]>>4 != block) {
				t.Errorf("%d bytes: a frame of flags %x and blocks %x", size, got[4], got[5])
			}
			again, err := back.Decompress(got, codec)
			if err != nil || !bytes.Equal(again, src) {
				t.Errorf("%d bytes, alike %v: read back as %d bytes, %v", size, alike, len(again), err)
			}
		}
	}
}

// batchOf gives bytes, alike as rows of one table or not at all.
func batchOf(rng *rand.Rand, size int, alike bool) []byte {
	var b strings.Builder
	for b.Len() < size {
		if alike {
			fmt.Fprintf(&b, "%d Potassium in serum K%d mmol/L Dr. Schäfer, Internal Medicine Laboratory North no remark from the laboratory", rng.IntN(1e9), rng.IntN(977))
		} else {
			b.WriteByte(byte(rng.Uint32()))
		}
	}
	return []byte(b.String()[:size])
}

// BenchmarkCompressor is the library as it comes beside ours, on the largest
// batch and on one of a single record.
func BenchmarkCompressor(b *testing.B) {
	theirs, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, size := range []int{MaxRecordBytes, 700} {
		src := batchOf(rng, size, true)
		for name, c := range map[string]kgo.Compressor{"theirs": theirs, "ours": newCompressor()} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				var dst bytes.Buffer
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					dst.Reset()
					c.Compress(&dst, src)
				}
				b.ReportMetric(float64(size)/float64(dst.Len()), "times-smaller")
			})
		}
	}
}
