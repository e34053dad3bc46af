package sha256pair

import (
	"crypto/sha256"
	"encoding/binary"
)

// Pad writes behind the first n bytes of buf what SHA-256 pads a message of n
// bytes with, and returns the padded message. buf has room for it.
func Pad(buf []byte, n int) []byte {
	m := buf[:(n+1+8+blockSize-1)/blockSize*blockSize]
	clear(m[n:])
	m[n] = 0x80
	binary.BigEndian.PutUint64(m[len(m)-8:], uint64(n)*8)
	return m
}

// SumPadded returns the digests of two messages of n bytes that Pad has padded.
// Short messages that come in great numbers are padded once: their first n bytes
// may be changed in between.
func SumPadded(a, b []byte, n int) (x, y [sha256.Size]byte) {
	if !paired {
		return sha256.Sum256(a[:n]), sha256.Sum256(b[:n])
	}
	p, q := initial, initial
	blocks(&p, &q, &a[0], &b[0], min(len(a), len(b))/blockSize)
	for i := range p {
		binary.BigEndian.PutUint32(x[4*i:], p[i])
		binary.BigEndian.PutUint32(y[4*i:], q[i])
	}
	return x, y
}
