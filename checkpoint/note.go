package checkpoint

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
)

// Checkpoint is a signed note (C2SP signed-note) whose text is a tree head (C2SP
// tlog-checkpoint): origin, size in entries, root.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	Note   []byte           // as it stands, signatures included
	Sigs   []note.Signature // all of them, in order; none is checked
}

// Parse parses a checkpoint and checks no signature. One with extension lines is
// refused: no log of ours writes them.
func Parse(msg []byte) (Checkpoint, error) {
	n, err := note.Open(msg, nil)
	if u := (*note.UnverifiedNoteError)(nil); errors.As(err, &u) {
		n, err = u.Note, nil
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("couldn't parse checkpoint: %w", err)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("couldn't parse checkpoint: %w", err)
	}
	if c.Extension != "" {
		return Checkpoint{}, errors.New("couldn't parse checkpoint: it has extension lines")
	}
	return Checkpoint{Origin: c.Origin, Size: uint64(c.N), Root: c.Hash, Note: msg, Sigs: n.UnverifiedSigs}, nil
}

// Verifier checks the checkpoints of one log.
type Verifier struct {
	Origin string
	// Note checks the log's signature, Cosignature the line by which the log states
	// the time by its own clock (C2SP tlog-cosignature). Both have the origin as
	// their name, and one key.
	Note        note.Verifier
	Cosignature *torchwood.CosignatureVerifier

	key ed25519.PublicKey
}

// VKey returns the log's key as a verifier key under the origin, as stock tools
// and policies want it.
func (v *Verifier) VKey() string { return vkey(v.Origin, v.key) }

// Open parses a checkpoint and checks that it is of this log and has its
// signature. at is the time by the log's own clock, zero if it states none.
// Signatures of other keys are not checked.
func (v *Verifier) Open(msg []byte) (c Checkpoint, at time.Time, err error) {
	if c, err = Parse(msg); err != nil {
		return Checkpoint{}, time.Time{}, err
	}
	if c.Origin != v.Origin {
		return Checkpoint{}, time.Time{}, fmt.Errorf("the checkpoint is of %q, not of %q", c.Origin, v.Origin)
	}
	n, err := note.Open(msg, note.VerifierList(v.Note, v.Cosignature))
	if err != nil {
		return Checkpoint{}, time.Time{}, fmt.Errorf("couldn't verify checkpoint of size %d: %w", c.Size, err)
	}
	signed := false
	for _, s := range n.Sigs {
		switch s.Hash {
		case v.Note.KeyHash():
			signed = true
		case v.Cosignature.KeyHash():
			unix, err := torchwood.CosignatureTimestamp(s)
			if err != nil {
				return Checkpoint{}, time.Time{}, fmt.Errorf("couldn't read the time of a checkpoint: %w", err)
			}
			at = time.Unix(unix, 0).UTC()
		}
	}
	if !signed {
		return Checkpoint{}, time.Time{}, fmt.Errorf("the checkpoint of size %d has no signature of the log's key", c.Size)
	}
	return c, at, nil
}

// pen signs the checkpoints of one log: with the log's key, the epoch's key if
// there are epochs, and the log's key once more together with the time.
type pen struct {
	origin string
	log    *signer
	time   *torchwood.CosignatureSigner
}

func (k *Key) pen(id chain.LogID) *pen {
	origin := Origin(k.name, id)
	t, err := torchwood.NewCosignatureSigner(origin, k.key)
	if err != nil {
		panic(err) // name and key are valid
	}
	return &pen{origin: origin, log: newSigner(origin, k.key), time: t}
}

// sign makes the checkpoint of a tree; epoch may be nil.
func (p *pen) sign(size uint64, root tlog.Hash, epoch *signer) (Checkpoint, error) {
	text := torchwood.Checkpoint{Origin: p.origin, Tree: tlog.Tree{N: int64(size), Hash: root}}.String()
	signers := []note.Signer{p.log}
	if epoch != nil {
		signers = append(signers, epoch)
	}
	msg, err := note.Sign(&note.Note{Text: text}, append(signers, p.time)...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("couldn't sign checkpoint: %w", err)
	}
	return Parse(msg)
}

// publicOnly lets the maker of a cosignature's signer be used for its verifier.
type publicOnly ed25519.PublicKey

// Public implements [crypto.Signer].
func (p publicOnly) Public() crypto.PublicKey { return ed25519.PublicKey(p) }

// Sign implements [crypto.Signer].
func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is not there")
}
