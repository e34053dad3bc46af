package idindex

import (
	"encoding/binary"
	"math/bits"
)

// filter is a Bloom filter of which each key touches one block: 8 words of 64
// bits, one bit in each, so that a look costs one cache line. With 16 bits for each key
// about one look in a thousand is wrong (Putze, Sanders, Singler, "Cache-, Hash-
// and Space-Efficient Bloom Filters", 2007).
type filter []uint64

const (
	filterWords = 8  // of a block
	filterKeys  = 32 // for each block
)

func newFilter(keys uint64) filter {
	return make(filter, (keys/filterKeys+1)*filterWords)
}

func (f filter) block(k *Key) []uint64 {
	i, _ := bits.Mul64(binary.BigEndian.Uint64(k[:8]), uint64(len(f)/filterWords))
	return f[i*filterWords : (i+1)*filterWords : (i+1)*filterWords]
}

func (f filter) add(k *Key) {
	b, h := f.block(k), binary.BigEndian.Uint64(k[8:])
	for i := range b {
		b[i] |= 1 << (h >> (6 * i) & 63)
	}
}

func (f filter) has(k *Key) bool {
	b, h := f.block(k), binary.BigEndian.Uint64(k[8:])
	for i := range b {
		if b[i]>>(h>>(6*i)&63)&1 == 0 {
			return false
		}
	}
	return true
}
