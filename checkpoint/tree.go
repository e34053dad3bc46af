package checkpoint

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
)

// LeafHash returns the hash of an entry's leaf (RFC 6962, section 2.1):
//
//	SHA-256(0x00 || seq as 8 bytes big-endian || hash)
func LeafHash(seq uint64, hash chain.Hash) tlog.Hash {
	var buf [leafSize]byte
	putLeaf(buf[:], seq, &hash)
	return sha256.Sum256(buf[:])
}

// Tree is the tree over a log's first entries, as much of it as is needed to add
// more and to compute its root: the complete subtrees that cover all but the last
// entry, and that entry. The zero value is the empty tree.
type Tree struct {
	before edge       // of all entries but the last
	last   chain.Head // seq 0: the tree is empty
	work   batch
}

// Head returns the sequence number and hash of the tree's last entry. The number
// is the tree's size.
func (t *Tree) Head() chain.Head { return t.last }

// appendStep is how many entries are hashed at once, so that the memory for it
// stays small.
const appendStep = 4096

// Append adds the entries that follow the tree's last, first being the sequence
// number of the first of them.
func (t *Tree) Append(first uint64, hashes []chain.Hash) {
	if first != t.last.Seq+1 {
		panic(fmt.Sprintf("checkpoint: entry %d does not follow entry %d", first, t.last.Seq))
	}
	for len(hashes) > 0 {
		n := min(len(hashes), appendStep)
		t.append(hashes[:n])
		hashes = hashes[n:]
	}
}

func (t *Tree) append(hashes []chain.Hash) {
	if t.last.Seq > 0 {
		t.before.add([]node{{0, LeafHash(t.last.Seq, t.last.Hash)}})
	}
	n := len(hashes) - 1
	if n > 0 {
		t.work.nodes = t.work.nodes[:0]
		t.work.leaves(t.last.Seq, hashes[:n])
		t.work.subtrees(t.last.Seq)
		t.before.add(t.work.nodes)
	}
	t.last = chain.Head{Seq: t.last.Seq + uint64(len(hashes)), Hash: hashes[n]}
}

// Root returns the tree's root hash.
func (t *Tree) Root() tlog.Hash {
	if t.last.Seq == 0 {
		return sha256.Sum256(nil)
	}
	all := edge{size: t.before.size, nodes: slices.Clone(t.before.nodes)}
	all.add([]node{{0, LeafHash(t.last.Seq, t.last.Hash)}})
	return all.root()
}

// Frontier returns the roots of the complete subtrees that cover all entries but
// the last, from the left. Their sizes are the powers of two in the size less one.
func (t *Tree) Frontier() []tlog.Hash {
	hashes := make([]tlog.Hash, 0, len(t.before.nodes))
	for _, n := range t.before.nodes {
		hashes = append(hashes, n.hash)
	}
	return hashes
}

// Clone returns a copy of the tree that grows by itself.
func (t *Tree) Clone() *Tree {
	return &Tree{before: edge{size: t.before.size, nodes: slices.Clone(t.before.nodes)}, last: t.last}
}

// newTree returns the tree of which frontier and last are the parts.
func newTree(last chain.Head, frontier []tlog.Hash) (*Tree, error) {
	if last.Seq == 0 {
		if len(frontier) > 0 || last.Hash != (chain.Hash{}) {
			return nil, fmt.Errorf("an empty tree has no frontier and no head")
		}
		return new(Tree), nil
	}
	t := &Tree{last: last}
	rest := last.Seq - 1
	if len(frontier) != bits.OnesCount64(rest) {
		return nil, fmt.Errorf("the frontier of a tree of size %d has %d hashes, not %d", last.Seq, bits.OnesCount64(rest), len(frontier))
	}
	for _, h := range frontier {
		level := bits.Len64(rest) - 1
		t.before.add([]node{{level, h}})
		rest -= 1 << level
	}
	return t, nil
}

// node is the root of a complete subtree of 2^level leaves.
type node struct {
	level int
	hash  tlog.Hash
}

// edge is the complete subtrees that cover the first size entries, from the left:
// a compact range.
type edge struct {
	size  uint64
	nodes []node
}

// add appends subtrees, and joins those that are siblings.
func (e *edge) add(nodes []node) {
	for _, n := range nodes {
		e.size += 1 << n.level
		for len(e.nodes) > 0 && e.nodes[len(e.nodes)-1].level == n.level {
			n = node{n.level + 1, tlog.NodeHash(e.nodes[len(e.nodes)-1].hash, n.hash)}
			e.nodes = e.nodes[:len(e.nodes)-1]
		}
		e.nodes = append(e.nodes, n)
	}
	if len(e.nodes) != bits.OnesCount64(e.size) {
		panic("checkpoint: subtrees are not those of a tree")
	}
}

// root returns the root of the tree, which is not empty.
func (e *edge) root() tlog.Hash {
	h := e.nodes[len(e.nodes)-1].hash
	for i := len(e.nodes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.nodes[i].hash, h)
	}
	return h
}
