package producer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // of RS512 and HMAC-SHA512
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otelaudit/auditexporter/event/canonical"
)

// Algorithms are the names that audit.integrity.algorithm may have: JWA's, as the
// signingprocessor uses them, and the HMACs of the OTel Audit Logging draft. ES256 is an
// ASN.1 DER signature, not JWS' raw r||s.
var Algorithms = []string{"RS256", "RS512", "ES256", "EdDSA", "HMAC-SHA256", "HMAC-SHA512"}

// Symmetric tells whether an algorithm's keys are secrets.
func Symmetric(algorithm string) bool { return strings.HasPrefix(algorithm, "HMAC-") }

// Forms are the names of the canonical forms, the newest first.
var Forms = []string{canonical.TaggedBody.String(), canonical.StringBody.String()}

// Bounds of keys.
const (
	MinSecret  = 16   // bytes of an HMAC secret: a shorter one can be guessed
	minModulus = 2048 // bits of an RSA key
	maxModulus = 8192 // a longer one makes verifying slow
)

// Key is a trusted key as it is configured.
type Key struct {
	ID        string
	Algorithm string
	// PEM is a public key (PKIX) or a certificate, whose validity is not looked at: what
	// is configured is trusted.
	PEM []byte
	// Secret is an HMAC's key; it is not changed.
	Secret []byte
	// Form is the generation of the canonical form that the signer signs, one of Forms, "" for any.
	Form string
}

// key is a Key ready to verify with.
type key struct {
	id, algorithm string
	hash          crypto.Hash
	public        crypto.PublicKey
	secret        []byte
	forms         []canonical.Form
	// What a record's audit.integrity.certificate may name it by.
	spki        []byte
	certificate *x509.Certificate // nil for a bare public key
}

// CheckNames tells whether an algorithm and a form are known.
func CheckNames(algorithm, form string) error {
	switch {
	case !slices.Contains(Algorithms, algorithm):
		return fmt.Errorf("algorithm: %q is not allowed: must be one of %s", algorithm, strings.Join(Algorithms, ", "))
	case form != "" && !slices.Contains(Forms, form):
		return fmt.Errorf("form: %q is not allowed: must be one of %s", form, strings.Join(Forms, ", "))
	}
	return nil
}

// Check tells whether k is a usable key. The error begins with the name of what is wrong and
// holds no secret.
func (k *Key) Check() error {
	_, err := newKey(*k)
	return err
}

func newKey(k Key) (*key, error) {
	if err := CheckNames(k.Algorithm, k.Form); err != nil {
		return nil, err
	}
	out := &key{id: k.ID, algorithm: k.Algorithm, secret: slices.Clone(k.Secret), hash: crypto.SHA256}
	for _, f := range []canonical.Form{canonical.TaggedBody, canonical.StringBody} {
		if k.Form == "" || k.Form == f.String() {
			out.forms = append(out.forms, f)
		}
	}
	if strings.HasSuffix(k.Algorithm, "512") {
		out.hash = crypto.SHA512
	}
	if Symmetric(k.Algorithm) {
		if len(k.Secret) < MinSecret {
			return nil, fmt.Errorf("secret: %d bytes: must be at least %d", len(k.Secret), MinSecret)
		}
		return out, nil
	}
	if err := out.parse(k.PEM); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if err := out.check(); err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return out, nil
}

// parse reads the one PEM block of a public key.
func (k *key) parse(text []byte) error {
	block, rest := pem.Decode(text)
	if block == nil {
		return errors.New("no PEM block of a public key or a certificate")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return errors.New("more than one PEM block: give each key an entry of its own")
	}
	var err error
	switch block.Type {
	case "CERTIFICATE":
		if k.certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			k.public, k.spki = k.certificate.PublicKey, k.certificate.RawSubjectPublicKeyInfo
		}
	case "PUBLIC KEY":
		if k.public, err = x509.ParsePKIXPublicKey(block.Bytes); err == nil {
			k.spki, err = x509.MarshalPKIXPublicKey(k.public)
		}
	default: // its type may be anything, and its content a private key
		return errors.New("the PEM block is neither PUBLIC KEY nor CERTIFICATE")
	}
	if err != nil {
		return fmt.Errorf("couldn't parse the PEM block %s", block.Type)
	}
	return nil
}

// check tells whether the key is one of its algorithm.
func (k *key) check() error {
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minModulus || bits > maxModulus {
			return fmt.Errorf("an RSA key of %d bits: must be %d to %d", bits, minModulus, maxModulus)
		}
		if k.algorithm == "RS256" || k.algorithm == "RS512" {
			return nil
		}
	case *ecdsa.PublicKey:
		if p.Curve == elliptic.P256() && k.algorithm == "ES256" {
			return nil
		}
	case ed25519.PublicKey:
		if k.algorithm == "EdDSA" {
			return nil
		}
	}
	return fmt.Errorf("the key is not one of algorithm %s", k.algorithm)
}

// verify tells whether signature is one of this key over payload.
func (k *key) verify(payload, signature []byte) bool {
	if Symmetric(k.algorithm) {
		m := hmac.New(k.hash.New, k.secret)
		m.Write(payload)
		return hmac.Equal(m.Sum(nil), signature)
	}
	if p, ok := k.public.(ed25519.PublicKey); ok {
		return ed25519.Verify(p, payload, signature)
	}
	h := k.hash.New()
	h.Write(payload)
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(p, k.hash, h.Sum(nil), signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(p, h.Sum(nil), signature)
	}
	return false
}

// naming says whether a reference names a key.
type naming uint8

const (
	named   naming = iota
	unnamed        // it names another key
	perhaps        // it can't be told: a bare public key knows no certificate
)

// maxReference is the longest audit.integrity.certificate, in bytes, that is looked into.
const maxReference = 16 << 10

// called tells whether ref, an audit.integrity.certificate, names the key: by its id, the
// certificate's fingerprint, its whole DER, its subject key identifier, or issuer and
// serial number. The reference itself is signed by nobody; it only picks among the keys
// that are trusted.
func (k *key) called(ref string) naming {
	switch {
	case ref == "" || len(ref) > maxReference || Symmetric(k.algorithm):
		if ref != "" && ref == k.id {
			return named
		}
		return perhaps
	case ref == k.id:
		return named
	}
	if sum, ok := strings.CutPrefix(strings.ToLower(ref), "sha256:"); ok {
		return k.hasFingerprint(sum)
	}
	if der, err := base64.StdEncoding.DecodeString(ref); err == nil && len(der) > 64 && der[0] == 0x30 {
		if c, err := x509.ParseCertificate(der); err == nil {
			if string(c.RawSubjectPublicKeyInfo) == string(k.spki) && (k.certificate == nil || k.certificate.Equal(c)) {
				return named
			}
			return unnamed
		}
	}
	c := k.certificate
	if c == nil {
		return perhaps
	}
	if id := strings.ToLower(strings.ReplaceAll(ref, ":", "")); len(c.SubjectKeyId) > 0 && id == hex.EncodeToString(c.SubjectKeyId) {
		return named
	}
	if i := strings.LastIndexByte(ref, '/'); i > 0 && ref[:i] == c.Issuer.String() &&
		(ref[i+1:] == c.SerialNumber.String() || strings.EqualFold(ref[i+1:], c.SerialNumber.Text(16))) {
		return named
	}
	return unnamed
}

func (k *key) hasFingerprint(sum string) naming {
	of := func(b []byte) bool {
		s := sha256.Sum256(b)
		return sum == hex.EncodeToString(s[:])
	}
	switch {
	case of(k.spki), k.certificate != nil && of(k.certificate.Raw):
		return named
	case k.certificate == nil:
		return perhaps
	}
	return unnamed
}
