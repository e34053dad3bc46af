package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// Seen is what a witness has of a log.
type Seen struct {
	Witness    string // its name
	Size       uint64
	Checkpoint []byte // nil: only the size is known
}

// Witnesses cosign the checkpoints of a log.
type Witnesses interface {
	// Latest tells what each witness has of an origin. An error says that one of
	// those that are configured did not answer. empty is a checkpoint of size 0.
	Latest(ctx context.Context, origin string, empty []byte) ([]Seen, error)
	// Cosign returns the checkpoint, which is signed and synced, with the cosignatures
	// added that it could get; nil: none, also beside an error. An [*InconsistentError] ends all signing. It
	// is called from one goroutine.
	Cosign(ctx context.Context, r Record) ([]byte, error)
}

// InconsistentError says that a witness has another history of a log.
type InconsistentError struct {
	Witness string
	Err     error
}

func (e *InconsistentError) Error() string {
	return fmt.Sprintf("witness %s has another history of this log: %v", e.Witness, e.Err)
}

// Unwrap returns what the witness said.
func (e *InconsistentError) Unwrap() error { return e.Err }

// newestRecord finds the newest record that the log's key has signed. foreign says
// why nothing may be signed: a newer record is none of this key, or nothing is to be
// signed any more. Records with the signatures of others stand after those without,
// and can be of an older size.
func newestRecord(fsys durable.FS, folder string, v *Verifier) (r *Record, foreign, err error) {
	file, err := openFile(fsys, folder)
	if file == nil || err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("couldn't stat checkpoints: %w", err)
	}
	for found, err := range backwards(file, info.Size) {
		var refused *refusal
		if errors.As(err, &refused) {
			foreign = refused
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if _, _, err := v.Open(found.Note); err != nil {
			if foreign == nil {
				foreign = refuse("the log's file of checkpoints has one at offset %d that is signed with another key: %w", found.Offset, err)
			}
			continue
		}
		if r == nil || found.Size > r.Size {
			r = &found
		}
		if found.plain(v.Origin) {
			return r, foreign, nil
		}
	}
	return r, foreign, nil
}

// plain tells whether only the log has signed a checkpoint.
func (c *Checkpoint) plain(origin string) bool {
	for _, s := range c.Sigs {
		if _, ok := epochOf(origin, s.Name); s.Name != origin && !ok {
			return false
		}
	}
	return true
}

// prepare brings the tree forward to the end of the log, and asks everybody who
// may have a checkpoint of it. What it has done it does not do again.
func (n *Notary) prepare(ctx context.Context) error {
	if n.foreign != nil {
		return n.foreign
	}
	if n.journal.file == nil {
		if err := n.journal.open(); err != nil {
			return err
		}
	}
	if err := n.loadKeys(); err != nil {
		return err
	}
	if !n.begun {
		if err := n.bringForward(); err != nil {
			return err
		}
	}
	if err := n.askAround(ctx); err != nil {
		return err
	}
	return n.advance(ctx)
}

// bringForward makes the tree of the newest checkpoint's, or from nothing, and the
// entries that came after it.
func (n *Notary) bringForward() error {
	n.grower.stopAt(n.finish)
	tree := new(Tree)
	if n.anchor != nil {
		var err error
		if tree, err = n.anchor.Tree(); err != nil {
			return err
		}
		n.last, n.lastAt = n.anchor, time.Time{}
	}
	to := n.queue.last()
	if n.keys != nil && n.keys.pending != nil {
		var err error
		if n.begins, err = n.findBeginning(); err != nil {
			return err
		}
		if n.begins > 0 { // a checkpoint of this size is due
			to = n.begins
		}
	}
	s := segments{fsys: n.o.FS, folder: n.grower.folder, check: true, visit: n.knowsEpoch, stop: n.finish}
	if err := s.read(tree, to); err != nil {
		return err
	}
	n.grower.begin(tree)
	if n.keys != nil {
		n.grower.hold() // until the next epoch has begun
	}
	n.begun = true
	return nil
}

// askAround compares the log with every checkpoint of it that others have.
func (n *Notary) askAround(ctx context.Context) error {
	seen, err := n.copier.known()
	if err != nil {
		return err
	}
	if n.o.Witnesses != nil {
		empty, err := n.pen.sign(0, new(Tree).Root(), nil)
		if err != nil {
			return err
		}
		more, err := n.o.Witnesses.Latest(ctx, n.verifier.Origin, empty.Note)
		if err != nil {
			return fmt.Errorf("nothing is signed until every witness has told what it has of this log: %w", err)
		}
		seen = append(seen, more...)
	}
	for _, s := range seen {
		if err := n.compare(s); err != nil {
			return err
		}
	}
	return nil
}

// compare finds out whether the log goes on from what was seen of it.
func (n *Notary) compare(s Seen) error {
	if have := n.queue.last(); s.Size > have {
		return refuseForEver("the log was cut: %s has a checkpoint of %d entries, and there are %d", s.Witness, s.Size, have)
	}
	if s.Checkpoint == nil {
		return nil
	}
	c, _, err := n.verifier.Open(s.Checkpoint)
	if err != nil {
		return fmt.Errorf("couldn't use what %s has of this log: %w", s.Witness, err)
	}
	if c.Size > n.queue.last() {
		return refuseForEver("the log was cut: %s has a checkpoint of %d entries, and there are %d", s.Witness, c.Size, n.queue.last())
	}
	root, err := n.rootAt(c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return refuseForEver("the log is another: the first %d entries are not those of the checkpoint that %s has", c.Size, s.Witness)
	}
	return nil
}

// rootAt returns the root of the log's first entries: from a checkpoint of that
// size, or from an earlier one and the entries after it.
func (n *Notary) rootAt(size uint64) (tlog.Hash, error) {
	file, err := openFile(n.o.FS, n.grower.folder)
	if err != nil {
		return tlog.Hash{}, err
	}
	tree := new(Tree)
	if file != nil {
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return tlog.Hash{}, fmt.Errorf("couldn't stat checkpoints: %w", err)
		}
		for r, err := range backwards(file, info.Size) {
			if errors.As(err, new(*refusal)) {
				continue
			}
			if err != nil {
				return tlog.Hash{}, err
			}
			if _, _, err := n.verifier.Open(r.Note); err != nil || r.Size > size {
				continue
			}
			if tree, err = r.Tree(); err != nil {
				return tlog.Hash{}, err
			}
			break
		}
	}
	s := segments{fsys: n.o.FS, folder: n.grower.folder, stop: n.finish}
	if err := s.read(tree, size); err != nil {
		return tlog.Hash{}, err
	}
	return tree.Root(), nil
}

// notice tells the operator.
func (n *Notary) notice(text string, attrs map[string]any) {
	n.o.Notice(chain.Notice{Text: text, Attrs: attrs})
}
