package proof

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
)

// Tiles writes a log's tree as C2SP tlog-tiles below a folder: tile/<level>/<n>
// with hashes, tile/entries/<n> with leaves. It holds one tile a level. Files are
// made anew, so that two of them can't differ.
type Tiles struct {
	dir    string
	size   int64
	bundle []byte // of leaves, as tile/entries has them
	levels [][]tlog.Hash
}

// NewTiles begins a tree in a folder, which is made.
func NewTiles(dir string) *Tiles { return &Tiles{dir: dir} }

// Add takes the next entry, whose sequence number must be that after the last.
func (t *Tiles) Add(seq uint64, hash chain.Hash) error {
	if seq != uint64(t.size)+1 {
		return fmt.Errorf("couldn't add entry %d after entry %d", seq, t.size)
	}
	leaf := Leaf(seq, hash)
	var err error
	if t.bundle, err = torchwood.AppendTileEntry(t.bundle, leaf); err != nil {
		return err
	}
	t.size++
	if t.size%blockSize == 0 {
		if err := t.file(-1, t.size/blockSize-1, blockSize, t.bundle); err != nil {
			return err
		}
		t.bundle = t.bundle[:0]
	}
	return t.push(0, tlog.RecordHash(leaf))
}

// push adds a hash to the open tile of a level and, when it is full, that tile's
// root to the next.
func (t *Tiles) push(level int, h tlog.Hash) error {
	if level == len(t.levels) {
		t.levels = append(t.levels, make([]tlog.Hash, 0, blockSize))
	}
	t.levels[level] = append(t.levels[level], h)
	tile := t.levels[level]
	if len(tile) < blockSize {
		return nil
	}
	if err := t.tile(level); err != nil {
		return err
	}
	root := fold(tile, blockLevel, 0)
	t.levels[level] = tile[:0]
	return t.push(level+1, root)
}

// tile writes the open tile of a level.
func (t *Tiles) tile(level int) error {
	b := make([]byte, 0, blockSize*tlog.HashSize)
	for _, h := range t.levels[level] {
		b = append(b, h[:]...)
	}
	// The count of the level's whole nodes, of which this tile holds the last.
	n := t.size >> (blockLevel * level)
	return t.file(level, (n-1)/blockSize, len(t.levels[level]), b)
}

// Finish writes the partial tiles and returns the tree.
func (t *Tiles) Finish() (tlog.Tree, error) {
	if len(t.bundle) > 0 {
		if err := t.file(-1, t.size/blockSize, int(t.size%blockSize), t.bundle); err != nil {
			return tlog.Tree{}, err
		}
	}
	var root tlog.Hash
	have := false
	for level, tile := range t.levels {
		if len(tile) == 0 {
			continue
		}
		if err := t.tile(level); err != nil {
			return tlog.Tree{}, err
		}
		// The whole subtrees that the tile's hashes form, from the right.
		for end := len(tile); end > 0; {
			k := end & -end
			h := fold(tile[end-k:end], bits.TrailingZeros(uint(k)), 0)
			if have {
				h = tlog.NodeHash(h, root)
			}
			root, have, end = h, true, end-k
		}
	}
	if !have {
		var err error
		if root, err = tlog.TreeHash(0, nil); err != nil {
			return tlog.Tree{}, err
		}
	}
	return tlog.Tree{N: t.size, Hash: root}, nil
}

func (t *Tiles) file(level int, n int64, width int, b []byte) error {
	return WriteNew(filepath.Join(t.dir, filepath.FromSlash(tilePath(level, n, width))), b)
}

// WriteNew writes a file that must not exist, and its folder.
func WriteNew(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
