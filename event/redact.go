package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// Redaction configures which values never reach an event: strings and bytes,
// by themselves or in an array, under a key whose last segments are listed.
type Redaction struct {
	// ExtraKeys are names beside the built-in ones. A name matches as a whole:
	// "employee_number" matches "hr.employeeNumber", and not "number".
	ExtraKeys []string
	// Except are names that are not redacted: a built-in one, or one that is more
	// specific, as "csrf_token".
	Except []string
	// DigestKey, if not empty, has the event hold a keyed digest of each redacted
	// value, by which those who have the key can tell equal ones. At least 16 bytes.
	DigestKey []byte
}

// secretNames are the last segments of keys whose values are redacted, without
// separators and in lower case. From the requirements' list of what is never
// logged (tokens, passwords, keys, seal secrets, memory pointers, prompts), and
// what carries credentials in the protocols people log.
const secretNames = `
	password passwords passwd pwd passphrase passcode secret secrets token jwt bearer
	authorization cookie cookies credential credentials otp totp cvv cvc
	apikey accesskey secretkey privatekey signingkey encryptionkey sharedkey accountkey masterkey hmackey sshkey
	authkey sealkey sessionkey clientkey clientsecret servicekey storagekey kmskey
	authtoken accesstoken refreshtoken idtoken sessiontoken csrftoken
	connectionstring pincode prompt memorypointer memoryaddress vrampointer vramptr`

// maxSecretName bounds a name, without separators, in bytes.
const maxSecretName = 48

// secretKeys tells keys whose values are redacted; read only.
type secretKeys struct {
	names    map[string]bool // false: by exception not
	segments int             // of the longest tail of a key that is looked up
	// ends has a bit for the last three letters of each name, as a quick no.
	ends [1 << 10]uint32
	held map[string]bool // keys whose values are withheld; nil: none
	body bool            // the body is withheld
	// whole redacts nothing, and withholds the same.
	whole *secretKeys
}

func newSecretKeys(r Redaction) (*secretKeys, error) {
	k := &secretKeys{names: make(map[string]bool), segments: 2}
	for _, name := range strings.Fields(secretNames) {
		k.names[name] = true
	}
	listed := make(map[string]string)
	add := func(list string, names []string, redact bool) error {
		for i, name := range names {
			where := fmt.Sprintf("redaction.%s[%d]", list, i)
			joined, segments := joinName(name)
			switch {
			case joined == "":
				return fmt.Errorf("%s: %w", where, errors.New("empty"))
			case len(joined) > maxSecretName:
				return fmt.Errorf("%s: %w", where, fmt.Errorf("longer than %d letters", maxSecretName))
			case listed[joined] != "" && k.names[joined] != redact:
				return fmt.Errorf("%s: %w", where, errors.New("is also in "+listed[joined]))
			}
			k.names[joined], listed[joined] = redact, where
			k.segments = max(k.segments, segments)
		}
		return nil
	}
	if err := add("extra_keys", r.ExtraKeys, true); err != nil {
		return nil, err
	}
	if err := add("except", r.Except, false); err != nil {
		return nil, err
	}
	for name := range k.names {
		i, bit, ok := endOf(name)
		if !ok {
			k.anyEnd()
			break
		}
		k.ends[i] |= bit
	}
	return k, nil
}

// anyEnd gives up the quick no.
func (k *secretKeys) anyEnd() {
	for i := range k.ends {
		k.ends[i] = math.MaxUint32
	}
}

// joinName takes a name apart as a key: its segments joined, and their number.
func joinName(name string) (joined string, segments int) {
	var buf [maxSecretName + 1]byte
	t := tail{key: name, buf: buf[:]}
	for t.next() {
		segments++
	}
	if t.full {
		return name, segments
	}
	return string(t.joined()), segments
}

// endOf is where ends has the last three letters of a key, separators apart:
// their last five bits, which no case changes. ok says that there are three.
func endOf(key string) (i int, bit uint32, ok bool) {
	letters, n := 0, 0
	for k := len(key) - 1; k >= 0 && n < 3; k-- {
		if c := key[k]; !separator(c) {
			letters = letters<<5 | int(c&31)
			n++
		}
	}
	return letters >> 5, 1 << (letters & 31), n == 3
}

// match tells whether the key's value is redacted: of its last segments, the
// longest run that is listed decides.
func (k *secretKeys) match(key string) bool {
	if i, bit, ok := endOf(key); ok && k.ends[i]&bit == 0 {
		return false
	}
	var buf [maxSecretName]byte
	t := tail{key: key, buf: buf[:]}
	redact := false
	for n := 0; n < k.segments && t.next(); n++ {
		if listed, ok := k.names[string(t.joined())]; ok {
			redact = listed
		}
	}
	return redact
}

func separator(c byte) bool { return c == '.' || c == '-' || c == '_' }

// tail walks a key's segments from the last to the first. They are split at
// '.', '-', '_', and in camelCase: before an upper-case letter behind a lower-case
// one or a digit, and before the last of several upper-case ones.
type tail struct {
	key  string // what is left
	buf  []byte // the segments met, in lower case, at its end
	used int
	full bool // a segment did not fit
}

func (t *tail) joined() []byte { return t.buf[len(t.buf)-t.used:] }

// next takes one more segment; false if there is none or it does not fit.
func (t *tail) next() bool {
	for len(t.key) > 0 && separator(t.key[len(t.key)-1]) {
		t.key = t.key[:len(t.key)-1]
	}
	took := false
	for i := len(t.key) - 1; i >= 0 && !separator(t.key[i]); i-- {
		if t.used == len(t.buf) {
			t.full = true
			return false
		}
		took = true
		t.used++
		t.buf[len(t.buf)-t.used] = lower(t.key[i])
		split := i > 0 && upper(t.key[i]) && (!upper(t.key[i-1]) || i+1 < len(t.key) && lowerCase(t.key[i+1]))
		t.key = t.key[:i]
		if split {
			break
		}
	}
	return took
}

func upper(c byte) bool     { return 'A' <= c && c <= 'Z' }
func lowerCase(c byte) bool { return 'a' <= c && c <= 'z' }

// redactable tells the kinds of values that are redacted, or may hold some.
func redactable(kind pcommon.ValueType) bool {
	return kind == pcommon.ValueTypeStr || kind == pcommon.ValueTypeBytes || kind == pcommon.ValueTypeSlice
}

// redactedText stands in place of a value.
const redactedText = `"[redacted]"`

// KeyID is a public name of a digest key: the first 8 hex digits of
// SHA-256("auditlog/redaction-key/v1\n" || key). It is part of the format on disk.
func KeyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("auditlog/redaction-key/v1\n"), key...))
	return hex.EncodeToString(sum[:4])
}

// mac makes the keyed digests of redacted values.
type mac struct {
	sink
	of *byte // the key it is for
}

// digest is HMAC-SHA-256(key, "auditlog/redacted/v1\n" || "p" || length of
// pointer || pointer || kind || value): the length is 8 bytes big-endian, pointer the
// JSON pointer of the value, kind 's' for a string and 'b' for bytes. It is part of the
// format on disk.
func (m *mac) digest(key, pointer []byte, v pcommon.Value) []byte {
	if m.of != &key[0] {
		m.of, m.hash = &key[0], hmac.New(sha256.New, key)
	}
	m.start()
	m.string("auditlog/redacted/v1\n")
	m.number('p', uint64(len(pointer)))
	m.string(string(pointer))
	if v.Type() == pcommon.ValueTypeStr {
		m.kind('s')
		m.string(v.Str())
	} else {
		m.kind('b')
		m.bytes(v.Bytes())
	}
	return m.sum()
}

// atMost is the smallest power of two, from 8, that is not below n: what an event
// tells of the length of a redacted value.
func atMost(n int) int {
	b := 8
	for b < n {
		b *= 2
	}
	return b
}

// Redacts tells whether a string under this key is redacted.
func (e *Encoder) Redacts(key string) bool { return e.rules.secrets.match(key) }
