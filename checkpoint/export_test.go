package checkpoint

import (
	"crypto/ed25519"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
)

// Sign makes a record of a tree as a notary does. seed is of an epoch's key, 0: none.
func Sign(k *Key, id chain.LogID, t *Tree, epoch uint64) Record {
	p := k.pen(id)
	var e *signer
	if epoch > 0 {
		e = newSigner(epochName(p.origin, epoch), EpochSeed(epoch))
	}
	c, err := p.sign(t.Head().Seq, t.Root(), e)
	if err != nil {
		panic(err)
	}
	return newRecord(c, t)
}

// EpochSeed is the key of an epoch in tests.
func EpochSeed(epoch uint64) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(epoch)
	return ed25519.NewKeyFromSeed(seed)
}

// Certify makes the body of an epoch's entry, signed by the epoch before.
func Certify(k *Key, id chain.LogID, epoch, by uint64) []byte {
	p := k.pen(id)
	var s note.Signer = p.log
	if by > 0 {
		s = newSigner(epochName(p.origin, by), EpochSeed(by))
	}
	body, err := certify(p.origin, epoch, EpochSeed(epoch).Public().(ed25519.PublicKey), s, time.Unix(1, 0))
	if err != nil {
		panic(err)
	}
	return body
}

// Line returns the record's line.
func (r *Record) Line() []byte { return r.appendLine(nil) }

// Backwards is backwards.
var Backwards = backwards
