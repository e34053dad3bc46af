package checkpoint

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
)

// EpochOptions make keys forward secure: whoever takes the machine can sign for the
// current epoch and not for those before.
type EpochOptions struct {
	Folder   string        // of the keys; it must be there, and in no backup
	Interval time.Duration // between epochs; a new one begins at each opening, too. 0: only then
	// Append adds a system entry to the log and returns its sequence number when it is
	// synced. After an error it may still come to stand there.
	Append func(ctx context.Context, body []byte) (seq uint64, err error)
}

// loadKeys reads the keys of the epochs and compares them with the log's newest
// checkpoint.
func (n *Notary) loadKeys() error {
	signed := uint64(0)
	if n.anchor != nil {
		signed = epochIn(n.verifier.Origin, &n.anchor.Checkpoint)
	}
	if n.o.Epochs == nil {
		if signed > 0 {
			return refuse("this log's keys are forward secure, and checkpoint.forward_secure is not set")
		}
		return nil
	}
	if n.keys != nil {
		return nil
	}
	s := newKeyStore(n.o, n.verifier.Origin, n.valve)
	if err := s.load(); err != nil {
		return err
	}
	if s.number() != signed && s.number() != signed+1 {
		return refuse("the newest checkpoint is of epoch %d, and the key in %s of epoch %d", signed, s.folder, s.number())
	}
	n.keys = s
	return nil
}

// epochSigner signs for the current epoch; nil: there is none.
func (n *Notary) epochSigner() *signer {
	if n.keys == nil {
		return nil
	}
	return n.keys.current.signer(n.verifier.Origin)
}

// turnDue tells whether the next epoch should begin.
func (n *Notary) turnDue() bool {
	if n.keys == nil {
		return false
	}
	return n.keys.pending != nil || n.turnedAt.IsZero() || n.o.Epochs.Interval > 0 && time.Since(n.turnedAt) >= n.o.Epochs.Interval
}

// turn ends the epoch and begins the next: its key is kept as pending, the entry with
// its certificate is appended and synced, the epoch's last checkpoint is signed at
// exactly that size, the pending key is promoted and the old one destroyed. A crash
// or an error leaves it pending, and nothing is signed until turn has ended it.
func (n *Notary) turn(ctx context.Context) error {
	s := n.keys
	if s.pending == nil {
		n.begins = 0
		if err := s.prepare(n.queue.last()); err != nil {
			return err
		}
		// Not to grow beyond the entry, whose place is not known yet.
		n.grower.hold()
	} else if n.begins == 0 {
		var err error
		if n.begins, err = n.findBeginning(); err != nil {
			return err
		}
	}
	if n.begins == 0 {
		if err := n.appendBeginning(ctx); err != nil {
			return err
		}
	}
	n.grower.limitTo(n.begins)
	tree, err := n.grower.snapshot()
	if err != nil {
		return err
	}
	if tree.Head().Seq != n.begins {
		return refuse("epoch %d begins with entry %d, and the tree has %d", s.pending.number, n.begins, tree.Head().Seq)
	}
	if err := n.sign(tree); err != nil {
		return err
	}
	if err := s.promote(); err != nil {
		return err
	}
	n.turnedAt, n.begins = time.Now(), 0
	n.grower.limitTo(math.MaxUint64)
	return nil
}

// appendBeginning appends the entry that begins the pending epoch.
func (n *Notary) appendBeginning(ctx context.Context) error {
	p := n.keys.pending
	var by note.Signer = n.pen.log
	if n.keys.current != nil {
		by = n.epochSigner()
	}
	body, err := certify(n.verifier.Origin, p.number, p.key.Public().(ed25519.PublicKey), by, time.Now())
	if err != nil {
		return err
	}
	type answer struct {
		seq uint64
		err error
	}
	answers := make(chan answer, 1)
	n.others.Go(func() {
		seq, err := n.o.Epochs.Append(ctx, body)
		answers <- answer{seq, err}
	})
	for delay := firstDelay; ; delay = min(2*delay, longestDelay) {
		t := time.NewTimer(delay)
		select {
		case a := <-answers:
			t.Stop()
			if a.err != nil {
				return fmt.Errorf("couldn't append the entry that begins epoch %d: %w", p.number, a.err)
			}
			n.begins = a.seq
			return nil
		case <-t.C:
		}
		// It may be synced already, and its answer wait for witnesses, and so for us.
		if n.begins, err = n.findBeginning(); err != nil || n.begins > 0 {
			return err
		}
	}
}

// findBeginning returns the sequence number of the entry that begins the pending
// epoch, 0 if it is not in the log.
func (n *Notary) findBeginning() (uint64, error) {
	p := n.keys.pending
	mine := vkey(epochName(n.verifier.Origin, p.number), p.key.Public().(ed25519.PublicKey))
	r, err := chain.OpenReader(n.o.FS, n.grower.folder, chain.ReadOptions{From: p.after + 1, Lock: chain.LockHeld, Unsynced: true})
	if err != nil {
		return 0, fmt.Errorf("couldn't look for the beginning of an epoch: %w", err)
	}
	defer r.Close()
	for to := n.queue.last(); ; {
		l, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && l.Seq > to {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("couldn't look for the beginning of an epoch: %w", err)
		}
		if event, ok := beginning(l); ok && strings.Contains(event.Certificate, "\n"+mine+"\n") {
			return l.Seq, nil
		}
	}
}

// beginning tells whether an entry begins an epoch.
func beginning(l chain.Line) (event EpochKey, ok bool) {
	if l.Kind != chain.System {
		return event, false
	}
	err := json.Unmarshal(l.Body, &event)
	return event, err == nil && event.Type == TypeEpochKey
}

// knowsEpoch refuses to go on in a log that began an epoch whose key is not there.
func (n *Notary) knowsEpoch(l chain.Line) error {
	event, ok := beginning(l)
	if !ok || n.keys == nil {
		return nil
	}
	last := n.keys.number()
	if n.keys.pending != nil {
		last = n.keys.pending.number
	}
	if event.Epoch > last {
		return refuse("entry %d begins epoch %d, and its key is not in %s", l.Seq, event.Epoch, n.keys.folder)
	}
	return nil
}
