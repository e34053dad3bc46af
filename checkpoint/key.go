package checkpoint

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
)

// maxName is the longest configured name in bytes. With the log id it stays
// within the 255 bytes that C2SP tlog-cosignature gives an origin.
const maxName = 200

// CheckName says what is wrong with a configured name: it must be fit for a key's
// name (C2SP signed-note) and for a line of a checkpoint.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a name must not be empty")
	case len(name) > maxName:
		return fmt.Errorf("a name must not be longer than %d bytes", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return errors.New("a name must be of printable characters without space")
	case strings.Contains(name, "+"):
		return errors.New("a name must not contain +")
	}
	return nil
}

// Origin returns the origin of a log's checkpoints, `<configured name>/<log id>`.
// The log's key has it as its name, too.
func Origin(name string, id chain.LogID) string { return name + "/" + id.String() }

// SplitOrigin takes an origin apart.
func SplitOrigin(origin string) (name string, id chain.LogID, ok bool) {
	i := strings.LastIndexByte(origin, '/')
	if i < 0 || CheckName(origin[:i]) != nil {
		return "", chain.LogID{}, false
	}
	id, ok = chain.ParseLogID(origin[i+1:])
	return origin[:i], id, ok
}

// Key signs the checkpoints of all logs of one configured name. It is kept as a
// signer key of golang.org/x/mod/sumdb/note:
//
//	PRIVATE+KEY+<name>+<key ID, 8 hex>+<base64 of 0x01 and the Ed25519 seed>
type Key struct {
	name string
	key  ed25519.PrivateKey
}

// GenerateKey makes a key for a configured name.
func GenerateKey(name string) (*Key, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("couldn't generate key: %w", err)
	}
	return &Key{name: name, key: key}, nil
}

// ParseKey parses a signer key; white space around it is ignored. No error holds
// any of the text.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	s, err := note.NewSigner(text)
	if err != nil {
		return nil, errors.New("not a signer key of the form PRIVATE+KEY+<name>+<hash>+<key>, as auditlog keygen writes it")
	}
	if err := CheckName(s.Name()); err != nil {
		return nil, err
	}
	seed, err := base64.StdEncoding.DecodeString(lastParts(text, 4))
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, errors.New("not an Ed25519 signer key")
	}
	return &Key{name: s.Name(), key: ed25519.NewKeyFromSeed(seed[1:])}, nil
}

// lastParts returns what follows the n-th + of a key: base64 has pluses, too.
func lastParts(key string, n int) string {
	parts := strings.SplitN(key, "+", n+1)
	return parts[len(parts)-1]
}

// Text returns the key as ParseKey takes it: a secret.
func (k *Key) Text() string {
	private := append([]byte{algEd25519}, k.key.Seed()...)
	return fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", k.name, keyHash(k.name, k.public()), base64.StdEncoding.EncodeToString(private))
}

// String keeps the key out of whatever prints it.
func (k *Key) String() string { return k.Public().VKey() }

// GoString likewise.
func (k *Key) GoString() string { return k.String() }

// Name returns the configured name that the key is for.
func (k *Key) Name() string { return k.name }

// Public returns the key's public half.
func (k *Key) Public() *PublicKey { return &PublicKey{name: k.name, key: k.public()} }

func (k *Key) public() ed25519.PublicKey { return k.key.Public().(ed25519.PublicKey) }

const algEd25519 = 0x01 // C2SP signed-note

// vkey returns a verifier key, `<name>+<key ID, 8 hex>+<base64 of 0x01 and the key>`.
// name is valid.
func vkey(name string, key ed25519.PublicKey) string {
	v, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		panic(err)
	}
	return v
}

// verifier returns a verifier of an Ed25519 key; name is valid.
func verifier(name string, key ed25519.PublicKey) note.Verifier {
	v, err := note.NewVerifier(vkey(name, key))
	if err != nil {
		panic(err)
	}
	return v
}

func keyHash(name string, key ed25519.PublicKey) uint32 { return verifier(name, key).KeyHash() }

// signer signs notes with an Ed25519 key under a name.
type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func newSigner(name string, key ed25519.PrivateKey) *signer {
	return &signer{Verifier: verifier(name, key.Public().(ed25519.PublicKey)), key: key}
}

// Sign implements [note.Signer].
func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// PublicKey checks the checkpoints of all logs of one configured name, or of one log.
type PublicKey struct {
	name string
	key  ed25519.PublicKey
}

// ParsePublicKey parses a verifier key, under a configured name or under the
// origin of one log.
func ParsePublicKey(text string) (*PublicKey, error) {
	text = strings.TrimSpace(text)
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("not a verifier key of the form <name>+<hash>+<key>, as auditlog keygen prints it: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(lastParts(text, 2))
	if err != nil || len(key) != 1+ed25519.PublicKeySize {
		return nil, errors.New("not an Ed25519 verifier key")
	}
	return &PublicKey{name: v.Name(), key: key[1:]}, nil
}

// Name returns the name that the key is for.
func (p *PublicKey) Name() string { return p.name }

// VKey returns the key as a verifier key, which is public.
func (p *PublicKey) VKey() string { return vkey(p.name, p.key) }

// For returns what checks the checkpoints of one origin: of a log of the key's
// name, or of the log that the key's name is the origin of.
func (p *PublicKey) For(origin string) (*Verifier, error) {
	name, _, ok := SplitOrigin(origin)
	switch {
	case !ok:
		return nil, fmt.Errorf("%q is not the origin of a log, <name>/<log id>", origin)
	case p.name != name && p.name != origin:
		return nil, fmt.Errorf("the key is for %q, not for %q", p.name, origin)
	}
	own, err := torchwood.NewCosignatureSigner(origin, publicOnly(p.key))
	if err != nil {
		return nil, err
	}
	return &Verifier{Origin: origin, Note: verifier(origin, p.key), Cosignature: own.Verifier(), key: p.key}, nil
}
