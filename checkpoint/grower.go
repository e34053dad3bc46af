package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// grower keeps a log's tree, which takes an entry only once it is synced.
type grower struct {
	fsys   durable.FS
	folder string
	queue  *queue
	stop   <-chan struct{} // ends long reading

	mu    sync.Mutex // guards all below
	tree  *Tree
	limit uint64 // the tree is not to grow beyond this entry
	buf   []chain.Hash
}

// grow takes into the tree what is synced, up to the limit.
func (g *grower) grow() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.growLocked()
}

func (g *grower) growLocked() error {
	if g.tree == nil {
		return nil
	}
	for {
		next := g.tree.Head().Seq + 1
		taken, gap := g.queue.take(next, g.limit, g.buf)
		if gap > 0 {
			r := segments{fsys: g.fsys, folder: g.folder, stop: g.stop}
			if err := r.read(g.tree, gap); err != nil {
				return err
			}
			continue
		}
		if len(taken) == 0 {
			return nil
		}
		g.buf = taken
		g.tree.Append(next, taken)
	}
}

// snapshot grows the tree and returns it as it then is.
func (g *grower) snapshot() (*Tree, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.growLocked(); err != nil {
		return nil, err
	}
	return g.tree.Clone(), nil
}

// begin is given the tree to go on with.
func (g *grower) begin(t *Tree) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tree, g.limit = t, math.MaxUint64
}

// hold keeps the tree as it is.
func (g *grower) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = g.tree.Head().Seq
}

// limitTo lets the tree grow up to an entry.
func (g *grower) limitTo(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = seq
}

// segments reads entries from a log's segments.
type segments struct {
	fsys   durable.FS
	folder string
	check  bool                   // compute the entries' hashes
	visit  func(chain.Line) error // is given each entry; nil: nobody is
	stop   <-chan struct{}        // ends reading; nil: nothing does
}

// inconsistentError says that the log is not the one that a tree is of.
type inconsistentError struct{ text string }

func (e *inconsistentError) Error() string { return e.text }

// read adds the entries up to number to, which are synced, to a tree. The entry
// that the tree ends with must be in the log.
func (s segments) read(t *Tree, to uint64) error {
	from := t.Head()
	r, err := chain.OpenReader(s.fsys, s.folder, chain.ReadOptions{From: max(from.Seq, 1), Lock: chain.LockHeld, Unsynced: true, Check: s.check})
	if err != nil {
		return fmt.Errorf("couldn't read the log for its tree: %w", err)
	}
	defer r.Close()
	hashes := make([]chain.Hash, 0, 1024)
	at := max(from.Seq, 1) // the next to be read
	for at <= to {
		l, err := r.Next()
		if errors.Is(err, io.EOF) {
			return &inconsistentError{fmt.Sprintf("the log ends before entry %d", at)}
		}
		if err != nil {
			return fmt.Errorf("couldn't read the log for its tree: %w", err)
		}
		if l.Seq != at {
			return &inconsistentError{fmt.Sprintf("entries %d to %d are missing", at, l.Seq-1)}
		}
		at++
		if l.Seq == from.Seq {
			if l.Hash != from.Hash {
				return &inconsistentError{fmt.Sprintf("entry %d is another than the one that was signed", l.Seq)}
			}
			continue
		}
		if s.visit != nil {
			if err := s.visit(l); err != nil {
				return err
			}
		}
		if hashes = append(hashes, l.Hash); len(hashes) == cap(hashes) || l.Seq == to {
			t.Append(t.Head().Seq+1, hashes)
			hashes = hashes[:0]
			select {
			case <-s.stop:
				return errStopped
			default:
			}
		}
	}
	return nil
}

// stopAt makes long reading end when stop is closed.
func (g *grower) stopAt(stop <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop = stop
}
