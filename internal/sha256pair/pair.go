package sha256pair

import (
	"crypto/fips140"
	"crypto/sha256"
	"encoding/binary"
)

const blockSize = sha256.BlockSize

// initial is the hash value that SHA-256 begins with.
var initial = [8]uint32{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

var paired = supported() && !fips140.Enabled() && agrees()

// agrees tells whether this processor makes the digests that crypto/sha256 makes. A verifier rests on
// them.
func agrees() bool {
	m := make([]byte, 3*blockSize)
	for i := range m {
		m[i] = byte(i * i)
	}
	x, y := sum(m, m[:blockSize-8])
	return x == sha256.Sum256(m) && y == sha256.Sum256(m[:blockSize-8])
}

// Sum returns the digests of a and b.
func Sum(a, b []byte) (x, y [sha256.Size]byte) {
	// A pair takes the time of its longer message.
	if !paired || len(a) > 2*len(b)+blockSize || len(b) > 2*len(a)+blockSize {
		return sha256.Sum256(a), sha256.Sum256(b)
	}
	return sum(a, b)
}

// Short returns the digest of m and is quickest for at most 119 bytes, which pad to two blocks:
// crypto/sha256 takes nearly as long to get ready as it takes to hash them.
func Short(m []byte) [sha256.Size]byte {
	if !paired || len(m) > 2*blockSize-9 {
		return sha256.Sum256(m)
	}
	var l lane
	l.pad(m)
	l.finish(l.tail[:l.all*blockSize])
	return l.sum()
}

func sum(a, b []byte) (x, y [sha256.Size]byte) {
	var p, q lane
	p.begin(a)
	q.begin(b)
	for {
		m, n := p.next(a), q.next(b)
		switch k := min(len(m), len(n)) / blockSize; {
		case k > 0:
			blocks(&p.state, &q.state, &m[0], &n[0], k)
			p.done += k
			q.done += k
		case len(m) > 0:
			p.finish(m)
		case len(n) > 0:
			q.finish(n)
		default:
			return p.sum(), q.sum()
		}
	}
}

// lane is one message on its way.
type lane struct {
	state [8]uint32
	whole int // blocks of the message
	all   int // with those of tail
	done  int
	tail  [2 * blockSize]byte // what whole blocks leave, padded
}

func (l *lane) begin(m []byte) {
	l.whole = len(m) / blockSize
	l.pad(m)
}

// pad makes tail of what m has beyond its whole blocks.
func (l *lane) pad(m []byte) {
	l.state = initial
	n := copy(l.tail[:], m[l.whole*blockSize:])
	l.tail[n] = 0x80
	blocks := (n + 1 + 8 + blockSize - 1) / blockSize
	binary.BigEndian.PutUint64(l.tail[blocks*blockSize-8:], uint64(len(m))*8)
	l.all = l.whole + blocks
}

// next returns blocks of the message m that are next and lie together.
func (l *lane) next(m []byte) []byte {
	if l.done < l.whole {
		return m[l.done*blockSize : l.whole*blockSize]
	}
	return l.tail[(l.done-l.whole)*blockSize : (l.all-l.whole)*blockSize]
}

// finish does blocks of a message whose neighbour is done.
func (l *lane) finish(m []byte) {
	var none [8]uint32
	blocks(&l.state, &none, &m[0], &m[0], len(m)/blockSize)
	l.done += len(m) / blockSize
}

func (l *lane) sum() (h [sha256.Size]byte) {
	for i, w := range l.state {
		binary.BigEndian.PutUint32(h[4*i:], w)
	}
	return h
}
