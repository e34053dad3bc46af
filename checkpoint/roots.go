package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/sha256pair"
)

// Roots computes the roots of a log's tree at chosen sizes while the chain is
// verified: it is a [chain.Fold]. The tree is that of RFC 6962 over the entries'
// leaves, which are seq || hash.
type Roots struct {
	sizes []uint64 // ascending, each once
	roots []tlog.Hash
	have  int   // of roots
	taken edge  // of the entries taken
	work  batch // for entries that nobody prepared
}

// NewRoots returns a Roots for trees of these sizes, in entries.
func NewRoots(sizes []uint64) *Roots {
	sizes = slices.Compact(slices.Sorted(slices.Values(sizes)))
	if len(sizes) > 0 && sizes[0] == 0 {
		sizes = sizes[1:]
	}
	return &Roots{sizes: sizes, roots: make([]tlog.Hash, len(sizes))}
}

// Reset forgets all entries that were taken.
func (r *Roots) Reset() { r.have, r.taken = 0, edge{} }

// Root returns the root of the tree of so many entries; ok is false if the size
// was not asked for or not reached.
func (r *Roots) Root(size uint64) (root tlog.Hash, ok bool) {
	if size == 0 {
		return sha256.Sum256(nil), true
	}
	i, ok := slices.BinarySearch(r.sizes, size)
	if !ok || i >= r.have {
		return tlog.Hash{}, false
	}
	return r.roots[i], true
}

// batch is consecutive entries as complete subtrees, apart at each size whose
// root is wanted.
type batch struct {
	nodes []node // from the left
	ends  []int  // how many of nodes come before each wanted size
	level []tlog.Hash
	buf   []tlog.Hash // where level begins

	leaf, node pair // nil until needed
}

// Prepare implements [chain.Fold].
func (r *Roots) Prepare(first uint64, hashes []chain.Hash, again any) any {
	b, ok := again.(*batch)
	if !ok {
		b = new(batch)
	}
	r.fill(b, first, hashes)
	return b
}

// Take implements [chain.Fold].
func (r *Roots) Take(first uint64, hashes []chain.Hash, prepared any) {
	b, ok := prepared.(*batch)
	if !ok {
		b = &r.work
		r.fill(b, first, hashes)
	}
	from := 0
	for _, end := range b.ends {
		r.taken.add(b.nodes[from:end])
		from = end
		r.roots[r.have] = r.taken.root()
		r.have++
	}
	r.taken.add(b.nodes[from:])
}

// fill makes b of the entries from sequence number first on.
func (r *Roots) fill(b *batch, first uint64, hashes []chain.Hash) {
	b.nodes, b.ends = b.nodes[:0], b.ends[:0]
	at := first - 1 // entries before
	i, _ := slices.BinarySearch(r.sizes, first)
	for len(hashes) > 0 {
		n := uint64(len(hashes))
		wanted := i < len(r.sizes) && r.sizes[i] <= at+n
		if wanted {
			n = r.sizes[i] - at
			i++
		}
		b.leaves(at, hashes[:n])
		b.subtrees(at)
		if wanted {
			b.ends = append(b.ends, len(b.nodes))
		}
		at, hashes = at+n, hashes[n:]
	}
}

const (
	leafSize = 1 + 8 + tlog.HashSize // with the prefix of RFC 6962
	nodeSize = 1 + 2*tlog.HashSize
)

// pair is two messages of RFC 6962, padded for SHA-256 but for what is in them.
type pair struct{ a, b []byte }

func newPair(prefix byte, n int) pair {
	buf := make([]byte, 4*sha256.BlockSize)
	p := pair{sha256pair.Pad(buf[:2*sha256.BlockSize], n), sha256pair.Pad(buf[2*sha256.BlockSize:], n)}
	p.a[0], p.b[0] = prefix, prefix
	return p
}

func putLeaf(m []byte, seq uint64, hash *chain.Hash) {
	binary.BigEndian.PutUint64(m[1:], seq)
	copy(m[9:leafSize], hash[:])
}

func putNode(m []byte, left, right *tlog.Hash) {
	copy(m[1:1+tlog.HashSize], left[:])
	copy(m[1+tlog.HashSize:nodeSize], right[:])
}

// leaves makes b.level the leaf hashes of the entries after the first at.
func (b *batch) leaves(at uint64, hashes []chain.Hash) {
	b.buf = slices.Grow(b.buf[:0], len(hashes))[:len(hashes)]
	b.level = b.buf
	if b.leaf.a == nil {
		b.leaf, b.node = newPair(0, leafSize), newPair(1, nodeSize)
	}
	p := b.leaf
	i := 0
	for ; i+1 < len(hashes); i += 2 {
		putLeaf(p.a, at+uint64(i)+1, &hashes[i])
		putLeaf(p.b, at+uint64(i)+2, &hashes[i+1])
		b.level[i], b.level[i+1] = sha256pair.SumPadded(p.a, p.b, leafSize)
	}
	if i < len(hashes) {
		putLeaf(p.a, at+uint64(i)+1, &hashes[i])
		b.level[i] = sha256.Sum256(p.a[:leafSize])
	}
}

// subtrees appends to b.nodes the complete subtrees of b.level, of which the
// first is leaf number at, from 0.
func (b *batch) subtrees(at uint64) {
	var right [64]node // those that have no sibling to the right
	n := 0
	for level := 0; len(b.level) > 0; level++ {
		if at&1 != 0 {
			b.nodes = append(b.nodes, node{level, b.level[0]})
			b.level = b.level[1:]
			at++
		}
		if last := len(b.level) - 1; last >= 0 && len(b.level)&1 != 0 {
			right[n] = node{level, b.level[last]}
			n++
			b.level = b.level[:last]
		}
		b.pairUp()
		at /= 2
	}
	for n--; n >= 0; n-- {
		b.nodes = append(b.nodes, right[n])
	}
}

// pairUp makes b.level, of even length, the level above.
func (b *batch) pairUp() {
	half := len(b.level) / 2
	p := b.node
	i := 0
	for ; i+1 < half; i += 2 {
		putNode(p.a, &b.level[2*i], &b.level[2*i+1])
		putNode(p.b, &b.level[2*i+2], &b.level[2*i+3])
		b.level[i], b.level[i+1] = sha256pair.SumPadded(p.a, p.b, nodeSize)
	}
	if i < half {
		b.level[i] = tlog.NodeHash(b.level[2*i], b.level[2*i+1])
	}
	b.level = b.level[:half]
}
