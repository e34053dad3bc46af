package checkpoint

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
)

// TypeEpochKey is the type of the system event that begins an epoch.
const TypeEpochKey = "epoch_key"

// EpochKey is the system event that begins an epoch: its key signs the checkpoints
// of sizes from the entry's sequence number on, up to and including that of the next
// such entry. The checkpoint of exactly that size seals the epoch.
type EpochKey struct {
	chain.SystemEvent
	Epoch uint64 `json:"epoch"` // from 1
	// Certificate is a note, signed with the key of the epoch before, of the first
	// epoch with the log's:
	//
	//	auditlog/epoch/v1
	//	<origin>
	//	<epoch>
	//	<the epoch key as a verifier key named "<origin>/epoch/<epoch>">
	Certificate string `json:"certificate"`
}

const epochTag = "auditlog/epoch/v1"

// epochName is the name of an epoch's key.
func epochName(origin string, epoch uint64) string {
	return origin + "/epoch/" + strconv.FormatUint(epoch, 10)
}

// epochOf returns the number of the epoch whose key has this name; ok is false for
// other keys.
func epochOf(origin, name string) (epoch uint64, ok bool) {
	digits, ok := strings.CutPrefix(name, origin+"/epoch/")
	if !ok {
		return 0, false
	}
	epoch, err := strconv.ParseUint(digits, 10, 64)
	return epoch, err == nil && epochName(origin, epoch) == name && epoch > 0
}

// certify makes the body of the entry that begins an epoch.
func certify(origin string, epoch uint64, key ed25519.PublicKey, by note.Signer, at time.Time) ([]byte, error) {
	text := fmt.Sprintf("%s\n%s\n%d\n%s\n", epochTag, origin, epoch, vkey(epochName(origin, epoch), key))
	msg, err := note.Sign(&note.Note{Text: text}, by)
	if err != nil {
		return nil, fmt.Errorf("couldn't sign the certificate of epoch %d: %w", epoch, err)
	}
	return json.Marshal(EpochKey{
		SystemEvent: chain.SystemEvent{V: chain.SystemVersion, Type: TypeEpochKey, Time: at.UTC()},
		Epoch:       epoch, Certificate: string(msg),
	})
}

// Epochs are a log's epochs as its entries begin them. The zero value is of no
// use: NewEpochs.
type Epochs struct {
	v      *Verifier
	begins []uint64        // of epoch i+1: the sequence number of its entry
	keys   []note.Verifier // likewise
}

// NewEpochs returns the epochs of a log of which no entry is known yet.
func NewEpochs(v *Verifier) *Epochs { return &Epochs{v: v} }

// Add takes a system entry; those that begin no epoch are ignored. Entries must
// come in order. An error says that the log is broken there.
func (e *Epochs) Add(seq uint64, body []byte) error {
	common, err := chain.ParseSystem(body)
	if err != nil || common.Type != TypeEpochKey {
		return nil //nolint:nilerr // what is no system event is the chain's to judge
	}
	var event EpochKey
	if err := json.Unmarshal(body, &event); err != nil {
		return fmt.Errorf("couldn't read the beginning of an epoch: %w", err)
	}
	next := uint64(len(e.keys)) + 1
	switch {
	case event.Epoch == 0 || event.Epoch > next:
		return fmt.Errorf("entry %d begins epoch %d, and epoch %d should come", seq, event.Epoch, next)
	case event.Epoch < next:
		return fmt.Errorf("entry %d begins epoch %d, as entry %d does: two certificates of one key", seq, event.Epoch, e.begins[event.Epoch-1])
	}
	key, err := e.certified(event)
	if err != nil {
		return fmt.Errorf("couldn't verify the certificate of epoch %d in entry %d: %w", next, seq, err)
	}
	e.begins, e.keys = append(e.begins, seq), append(e.keys, key)
	return nil
}

// certified returns the key that an event certifies.
func (e *Epochs) certified(event EpochKey) (note.Verifier, error) {
	by := e.v.Note
	if len(e.keys) > 0 {
		by = e.keys[len(e.keys)-1]
	}
	n, err := note.Open([]byte(event.Certificate), note.VerifierList(by))
	if err != nil {
		return nil, err
	}
	parts := strings.Split(n.Text, "\n")
	if len(parts) != 5 || parts[0] != epochTag || parts[1] != e.v.Origin || parts[2] != strconv.FormatUint(event.Epoch, 10) {
		return nil, errors.New("it certifies something else")
	}
	key, err := note.NewVerifier(parts[3])
	if err != nil {
		return nil, err
	}
	if key.Name() != epochName(e.v.Origin, event.Epoch) {
		return nil, fmt.Errorf("the key's name is %q", key.Name())
	}
	return key, nil
}

// At returns the epoch whose key signs a checkpoint of this size, 0 if none does. At
// the size at which an epoch ends and the next begins it is the former; either signs.
func (e *Epochs) At(size uint64) uint64 {
	return uint64(sort.Search(len(e.begins), func(i int) bool { return e.begins[i] >= size }))
}

// Seals returns the sizes of the checkpoints that must be there: those that end an
// epoch, and the one before the first.
func (e *Epochs) Seals() []uint64 { return e.begins }

// IsSeal tells whether a checkpoint that Check accepts ends an epoch.
func (e *Epochs) IsSeal(c Checkpoint) bool {
	epoch := e.At(c.Size)
	return e.ends(epoch, c.Size) && epochIn(e.v.Origin, &c) == epoch
}

// ends tells whether an epoch ends at this size, and so the next begins there.
func (e *Epochs) ends(epoch, size uint64) bool {
	return epoch < uint64(len(e.begins)) && e.begins[epoch] == size
}

// Check tells whether a checkpoint, of which the log's own signature was checked,
// has the signature of the epoch that its size is in, and of no other.
func (e *Epochs) Check(c Checkpoint) error {
	epoch := e.At(c.Size)
	if by := epochIn(e.v.Origin, &c); by == epoch+1 && e.ends(epoch, c.Size) {
		epoch = by
	}
	for _, s := range c.Sigs {
		if other, ok := epochOf(e.v.Origin, s.Name); ok && other != epoch {
			return fmt.Errorf("the checkpoint of size %d is of epoch %d and has a signature of epoch %d", c.Size, epoch, other)
		}
	}
	if epoch == 0 {
		return nil
	}
	if _, err := note.Open(c.Note, note.VerifierList(e.keys[epoch-1])); err != nil {
		return fmt.Errorf("couldn't verify the signature of epoch %d on the checkpoint of size %d: %w", epoch, c.Size, err)
	}
	return nil
}
