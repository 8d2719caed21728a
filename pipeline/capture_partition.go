package pipeline

import "encoding/binary"

// partitionOf gives the partition of a row: by its primary key alone, with the
// hash of Kafka's own clients, so that whatever else writes or joins the topic
// agrees.
func partitionOf(key []byte, partitions int) int32 {
	if partitions == 1 {
		return 0
	}
	return int32(murmur2(key)&0x7fffffff) % int32(partitions)
}

// murmur2 is MurmurHash2 with the seed of Kafka's clients.
func murmur2(b []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
