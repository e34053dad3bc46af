package withhold

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// ID names an event or a key: 16 random bytes.
type ID [16]byte

// String returns id as 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 32 lower-case hex digits.
func ParseID(s string) (id ID, err error) {
	if b, err := hex.DecodeString(s); err != nil || copy(id[:], b) != len(b) || id.String() != s {
		return ID{}, errors.New("not 32 lower-case hex digits")
	}
	return id, nil
}

// Key is a subject's key. It is immutable and safe for concurrent use.
type Key struct {
	id   ID
	aead cipher.AEAD
}

// ID names the key in events and openings.
func (k *Key) ID() [16]byte { return k.id }

// Tag stands for a subject in the key store; without its secret it tells nothing.
type Tag [16]byte

// The parts of the format on disk.
const (
	tagLabel     = "auditlog/subject-tag/v1"
	wrapLabel    = "auditlog/key-wrap/v1"
	erasedLabel  = "auditlog/erased-subject/v1"
	rootData     = "auditlog/key-root/v1\n"
	openingsData = "auditlog/opening/v1\n"

	keySize    = 32
	nonceSize  = 12
	overhead   = nonceSize + 16 // of AES-256-GCM with its nonce
	recordSize = 16 + 16 + keySize + overhead + 4
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// ParseKey reads a key-encryption key: 64 hex digits, white space around them apart.
// The error holds nothing of text.
func ParseKey(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != keySize {
		return nil, errors.New("must be 64 hex digits, as openssl rand -hex 32 makes them")
	}
	return b, nil
}

// newAEAD is AES-256-GCM that puts a random nonce before what it seals.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // all keys have keySize bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// secrets are what the secret of a key store comes to.
type secrets struct {
	tag, erased []byte
	wrap        cipher.AEAD
}

func newSecrets(secret []byte) secrets {
	derive := func(label string) []byte {
		key, err := hkdf.Expand(sha256.New, secret, label, keySize)
		if err != nil {
			panic(err) // keySize is within what SHA-256 gives
		}
		return key
	}
	return secrets{tag: derive(tagLabel), erased: derive(erasedLabel), wrap: newAEAD(derive(wrapLabel))}
}

func sum(key []byte, subject string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(subject))
	return h.Sum(nil)
}

// Tag is a subject's.
func (s *secrets) Tag(subject string) Tag { return Tag(sum(s.tag, subject)) }

// Erased is what stands for an erased subject in the log: HMAC-SHA-256 under a key of
// the store, so that who has the store can tell whether it is about one.
func (s *secrets) Erased(subject string) [32]byte { return [32]byte(sum(s.erased, subject)) }

// record is a subject's key as it stands in the store.
type record [recordSize]byte

func (r *record) tag() Tag { return Tag(r[:16]) }
func (r *record) id() ID   { return ID(r[16:32]) }

func (r *record) whole() bool {
	return binary.BigEndian.Uint32(r[recordSize-4:]) == crc32.Checksum(r[:recordSize-4], crcTable)
}

// newRecord draws a key for a subject.
func (s *secrets) newRecord(tag Tag) (record, *Key) {
	var r record
	var key [keySize]byte
	rand.Read(key[:]) // never fails, as below
	copy(r[:], tag[:])
	rand.Read(r[16:32])
	s.wrap.Seal(r[:32], nil, key[:], r[:32])
	binary.BigEndian.PutUint32(r[recordSize-4:], crc32.Checksum(r[:recordSize-4], crcTable))
	return r, &Key{id: r.id(), aead: newAEAD(key[:])}
}

func (s *secrets) unwrap(r *record) (*Key, error) {
	key, err := s.wrap.Open(nil, nil, r[32:recordSize-4], r[:32])
	if err != nil {
		return nil, fmt.Errorf("couldn't unwrap key %s: %w", r.id(), err)
	}
	return &Key{id: r.id(), aead: newAEAD(key)}, nil
}

// Seal appends the frame of an event's openings to dst.
func (k *Key) Seal(dst []byte, event ID, openings []byte) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(frameSize(len(openings))-8))
	dst = append(dst, event[:]...)
	dst = append(dst, k.id[:]...)
	dst = k.aead.Seal(dst, nil, openings, sealedWith(event, k.id))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crcTable))
}

func sealedWith(event, key ID) []byte {
	b := make([]byte, 0, len(openingsData)+32)
	return append(append(append(b, openingsData...), event[:]...), key[:]...)
}

// Open returns the openings of a frame.
func (k *Key) Open(f Frame) ([]byte, error) {
	b, err := k.aead.Open(nil, nil, f.Sealed, sealedWith(f.Event, f.Key))
	if err != nil {
		return nil, fmt.Errorf("couldn't decrypt the openings of event %s: %w", f.Event, err)
	}
	return b, nil
}
