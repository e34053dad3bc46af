package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Leaf returns the data of an entry's leaf, 40 bytes.
func Leaf(seq uint64, hash chain.Hash) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(hash)), seq), hash[:]...)
}

// LeafHash returns an entry's leaf as it stands in the tree.
func LeafHash(seq uint64, hash chain.Hash) tlog.Hash { return tlog.RecordHash(Leaf(seq, hash)) }

// Options say whose tree it is. FS and Folder must be set.
type Options struct {
	FS     durable.FS
	Folder string            // of the log; its name is the log's id
	Read   chain.ReadOptions // From is not looked at
	// Keep keeps the file tree up to date, for the one that holds the lock.
	Keep     bool
	FileMode fs.FileMode // of the file, if it is made; 0: 0600
	Tail     *Tail       // gives entries that need not be read back; nil: none does
	Stop     func() bool // ends what takes long, with [ErrStopped]; nil: nothing does
}

// Tree makes proofs of a log. One goroutine at a time may use it.
type Tree struct {
	nodes    *nodes
	segments segments
	tail     *Tail
	stop     func() bool
	size     int64 // entries that may be read
	loaded   bool  // the file was looked into, or is not to be

	cache []block // the last few that were used
	buf   []chain.Hash
}

// block is the leaves of one block, as far as they were read.
type block struct {
	n      int64
	leaves []tlog.Hash
}

// ErrRoot says that a log's entries do not give the root of a checkpoint: it is
// not the log of which the checkpoint was made.
var ErrRoot = errors.New("the entries do not give the checkpoint's root")

// ErrStopped says that [Options.Stop] wanted it.
var ErrStopped = errors.New("stopped while the tree was computed")

// Open opens the tree of a log. Nothing is read yet.
func Open(o Options) (*Tree, error) {
	if o.FileMode == 0 {
		o.FileMode = 0o600
	}
	if o.Tail == nil {
		o.Tail = new(Tail)
	}
	if o.Stop == nil {
		o.Stop = func() bool { return false }
	}
	n, err := openNodes(o.FS, o.Folder, o.Keep, o.FileMode)
	if err != nil {
		return nil, err
	}
	return &Tree{nodes: n, segments: segments{fsys: o.FS, folder: o.Folder, o: o.Read}, tail: o.Tail, stop: o.Stop}, nil
}

// Close closes the files.
func (t *Tree) Close() error { return errors.Join(t.nodes.close(), t.segments.close()) }

// hashes returns those of entries first to last, until the next call.
func (t *Tree) hashes(first, last uint64) ([]chain.Hash, error) {
	held := false
	if t.buf, held = t.tail.read(t.buf[:0], first, last); held {
		return t.buf, nil
	}
	var err error
	t.buf, err = t.segments.read(t.buf[:0], first, last)
	return t.buf, err
}

// Bind makes the tree ready for proofs about the first size entries, whose root
// must be root. If the file tree does not give it, all is computed from the
// segments; if these do not, the error is [ErrRoot].
func (t *Tree) Bind(size int64, root tlog.Hash) error {
	for {
		if err := t.extend(size); err != nil {
			return err
		}
		got, err := t.Root(size)
		if err != nil {
			return err
		}
		if got == root {
			return t.nodes.save()
		}
		if !t.nodes.derived {
			return fmt.Errorf("size %d: %w", size, ErrRoot)
		}
		if err := t.forget(); err != nil {
			return err
		}
	}
}

// forget drops all that was derived, to be made anew.
func (t *Tree) forget() error {
	t.loaded, t.cache = true, nil
	t.tail.forget()
	return t.nodes.forget()
}

// saved is how many blocks are computed before they are handed to the file.
const saved = 1 << 14

// extend makes the nodes of all whole blocks below size.
func (t *Tree) extend(size int64) error {
	t.size = max(t.size, size)
	blocks := size / blockSize
	if !t.loaded {
		t.loaded = true
		if err := t.nodes.load(blocks); err != nil {
			return err
		}
	}
	for b := t.nodes.blocks; b < blocks; b++ {
		if t.stop() {
			return ErrStopped
		}
		leaves, err := t.block(b)
		if err != nil {
			return err
		}
		if err := t.nodes.add(fold(leaves, blockLevel, 0)); err != nil {
			return err
		}
		if b%saved == saved-1 {
			if err := t.nodes.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

// block returns the leaves of a block, as far as they may be read.
func (t *Tree) block(b int64) ([]tlog.Hash, error) {
	n := int(min(blockSize, t.size-b*blockSize))
	for _, c := range t.cache {
		if c.n == b && len(c.leaves) >= n {
			return c.leaves, nil
		}
	}
	first := uint64(b)*blockSize + 1
	hashes, err := t.hashes(first, first+uint64(n)-1)
	if err != nil {
		return nil, err
	}
	leaves := make([]tlog.Hash, len(hashes))
	for i, h := range hashes {
		leaves[i] = LeafHash(first+uint64(i), h)
	}
	// A proof touches at most three: that of the entry or the older size, and the ends.
	if len(t.cache) == 4 {
		t.cache = t.cache[1:]
	}
	t.cache = append(t.cache, block{b, leaves})
	return leaves, nil
}

// fold returns the node of a level, the n-th of that level in these leaves.
func fold(leaves []tlog.Hash, level int, n int64) tlog.Hash {
	if level == 0 {
		return leaves[n]
	}
	return tlog.NodeHash(fold(leaves, level-1, 2*n), fold(leaves, level-1, 2*n+1))
}

// ReadHashes implements [tlog.HashReader] for the tree of entries, as far as it
// was made ready.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		level, n := tlog.SplitStoredHashIndex(x)
		if level >= blockLevel {
			h, err := t.nodes.ReadHashes([]int64{tlog.StoredHashIndex(level-blockLevel, n)})
			if err != nil {
				return nil, err
			}
			out[i] = h[0]
			continue
		}
		b := n << level / blockSize
		in := n - b<<(blockLevel-level) // the place in the block's nodes of this level
		leaves, err := t.block(b)
		if err != nil {
			return nil, err
		}
		if (in+1)<<level > int64(len(leaves)) {
			return nil, fmt.Errorf("couldn't find node %d of the tree: it is beyond entry %d", x, t.size)
		}
		out[i] = fold(leaves, level, in)
	}
	return out, nil
}

// Root returns the root of the first size entries.
func (t *Tree) Root(size int64) (tlog.Hash, error) { return tlog.TreeHash(size, t) }

// Consistency returns the proof that a tree extends that of its first old
// entries. It is checked: an error says that none can be given.
func (t *Tree) Consistency(tree tlog.Tree, old int64) (tlog.TreeProof, error) {
	if old == 0 {
		return nil, nil
	}
	if err := t.Bind(tree.N, tree.Hash); err != nil {
		return nil, err
	}
	try := func() (tlog.TreeProof, error) {
		p, err := tlog.ProveTree(tree.N, old, t)
		if err != nil {
			return nil, fmt.Errorf("couldn't prove that size %d extends size %d: %w", tree.N, old, err)
		}
		before, err := t.Root(old)
		if err != nil {
			return nil, err
		}
		return p, tlog.CheckTree(p, tree.N, tree.Hash, old, before)
	}
	return retry(t, tree, try)
}

// Inclusion returns the proof that a tree has the leaf of entry seq, as it stands
// in the log with this hash. It is checked.
func (t *Tree) Inclusion(tree tlog.Tree, seq uint64, hash chain.Hash) (tlog.RecordProof, error) {
	if seq == 0 || int64(seq) > tree.N {
		return nil, fmt.Errorf("couldn't prove entry %d by a checkpoint of size %d", seq, tree.N)
	}
	if err := t.Bind(tree.N, tree.Hash); err != nil {
		return nil, err
	}
	return retry(t, tree, func() (tlog.RecordProof, error) {
		p, err := tlog.ProveRecord(tree.N, int64(seq)-1, t)
		if err != nil {
			return nil, fmt.Errorf("couldn't prove entry %d: %w", seq, err)
		}
		return p, tlog.CheckRecord(p, tree.N, tree.Hash, int64(seq)-1, LeafHash(seq, hash))
	})
}

// retry makes all nodes anew if a proof does not hold: the root of the file tree
// can be right where a node below it is wrong.
func retry[P any](t *Tree, tree tlog.Tree, try func() (P, error)) (P, error) {
	p, err := try()
	if err == nil || !t.nodes.derived {
		return p, err
	}
	if err := errors.Join(t.forget(), t.Bind(tree.N, tree.Hash)); err != nil {
		return p, err
	}
	return try()
}

// tilePath returns the path of a tile by C2SP tlog-tiles.
func tilePath(l int, n int64, width int) string {
	return torchwood.TilePath(tlog.Tile{H: blockLevel, L: l, N: n, W: width})
}
