package proof

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// FileName is the derived file of a log's nodes of level 8 and above.
const FileName = chain.TreeName

const (
	blockLevel = 8
	blockSize  = 1 << blockLevel // entries
)

// nodes are the roots of whole blocks, and what is above them: the first of them
// in the file, the rest in memory.
type nodes struct {
	fsys    durable.FS
	name    string
	perm    fs.FileMode
	file    durable.File // nil: none
	write   bool         // the file is ours to add to
	stored  int64        // hashes in the file that count
	added   []tlog.Hash  // those after them
	blocks  int64
	derived bool // some are from the file as it was found, and may be wrong
}

// openNodes opens the file of a folder. A file that is not there, or can't be
// read, counts as empty, as it can be made anew.
func openNodes(fsys durable.FS, folder string, write bool, perm fs.FileMode) (*nodes, error) {
	n := &nodes{fsys: fsys, name: filepath.Join(folder, FileName), perm: perm, write: write}
	if !write {
		if f, err := fsys.Open(n.name); err == nil {
			n.file = f
		}
		return n, nil
	}
	var err error
	if n.file, err = fsys.OpenWrite(n.name); durable.IsNotExist(err) {
		n.file, err = fsys.Create(n.name, perm)
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't open file %s: %w", FileName, err)
	}
	return n, nil
}

// load takes from the file what is whole, up to so many blocks.
func (n *nodes) load(blocks int64) error {
	if n.file == nil {
		return nil
	}
	info, err := n.file.Stat()
	if err != nil {
		return fmt.Errorf("couldn't look at file %s: %w", FileName, err)
	}
	have := info.Size / tlog.HashSize
	b := min(blocks, have)
	for tlog.StoredHashCount(b) > have {
		b = min(b-1, have/2+1) // b blocks have from b to 2b hashes
	}
	n.blocks, n.stored, n.derived = b, tlog.StoredHashCount(b), b > 0
	return nil
}

// forget drops all, as the file proved wrong. Ours is begun anew: nothing of what
// it held may count again after the next start.
func (n *nodes) forget() error {
	n.stored, n.added, n.blocks, n.derived = 0, nil, 0, false
	if !n.write {
		return nil
	}
	if err := errors.Join(n.file.Close(), n.fsys.Remove(n.name)); err != nil {
		return fmt.Errorf("couldn't remove file %s: %w", FileName, err)
	}
	f, err := n.fsys.Create(n.name, n.perm)
	if err != nil {
		return fmt.Errorf("couldn't create file %s: %w", FileName, err)
	}
	n.file = f
	return nil
}

// ReadHashes implements [tlog.HashReader] for the tree of blocks.
func (n *nodes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		switch at := x - n.stored; {
		case at >= int64(len(n.added)):
			return nil, fmt.Errorf("couldn't find node %d of the tree", x)
		case at >= 0:
			out[i] = n.added[at]
		default:
			if _, err := n.file.ReadAt(out[i][:], x*tlog.HashSize); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("couldn't read file %s: %w", FileName, err)
			}
		}
	}
	return out, nil
}

// add takes the root of the next block.
func (n *nodes) add(root tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(n.blocks, root, n)
	if err != nil {
		return err
	}
	n.added = append(n.added, hashes...)
	n.blocks++
	return nil
}

// save hands what was added to the operating system.
func (n *nodes) save() error {
	if !n.write || len(n.added) == 0 {
		return nil
	}
	b := make([]byte, 0, len(n.added)*tlog.HashSize)
	for _, h := range n.added {
		b = append(b, h[:]...)
	}
	if _, err := n.file.WriteAt(b, n.stored*tlog.HashSize); err != nil {
		return fmt.Errorf("couldn't write file %s: %w", FileName, err)
	}
	n.stored += int64(len(n.added))
	n.added = n.added[:0]
	return nil
}

func (n *nodes) close() error {
	if n.file == nil {
		return nil
	}
	return n.file.Close()
}
