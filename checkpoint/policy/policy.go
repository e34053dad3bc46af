// Package policy reads who is trusted to sign checkpoints of a log, in the form
// of C2SP tlog-policy:
//
//	log <vkey> [<url>]
//	witness <name> <vkey> [<url>]
//	group <name> <k|any|all> <name>...
//	quorum <name|none>
//
// A line may end in a comment that begins with #. vkeys are those of C2SP
// signed-note: of a log type 0x01 (Ed25519), of a witness type 0x04 (timestamped
// cosignatures). A witness's url is the prefix of its add-checkpoint, a log's
// url is not used.
//
// The origin of a log is its configured name, a slash and its log id, 32 hex
// digits. As a machine can begin another log, a log's vkey under the bare name
// stands for all logs of that name: [Policy.For] takes the same public key under
// the whole origin.
package policy

import (
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// Policy is which logs are trusted, and which cosignatures their checkpoints
// must have.
type Policy struct {
	Logs      []Log
	Witnesses []Witness
	quorum    torchwood.Policy
	strict    bool // the quorum demands at least one cosignature
}

// Log is a key that signs checkpoints of logs.
type Log struct {
	VKey string
	name string
	key  ed25519.PublicKey
}

// Witness is a key that cosigns checkpoints, and where it does.
type Witness struct {
	Name     string // in the policy
	VKey     string
	URL      string // "" if not told
	Verifier note.Verifier
}

// Parse parses the text of a policy. An error names the line.
func Parse(text []byte) (*Policy, error) {
	p := &Policy{}
	var rest strings.Builder // all but the logs, line by line, so that errors keep their number
	for i, line := range strings.Split(string(text), "\n") {
		bare, _, _ := strings.Cut(line, "#")
		fields := strings.Fields(bare)
		switch {
		case len(fields) > 1 && fields[0] == "log":
			l, err := ParseLog(fields[1])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			p.Logs = append(p.Logs, l)
			line = ""
		case len(fields) > 2 && fields[0] == "witness":
			w, err := ParseWitness(fields[1], fields[2])
			if err == nil && len(fields) > 3 {
				w.URL, err = fields[3], CheckURL(fields[3])
			}
			if err != nil {
				return nil, fmt.Errorf("line %d: witness %s: %w", i+1, fields[1], err)
			}
			p.Witnesses = append(p.Witnesses, w)
		}
		rest.WriteString(line)
		rest.WriteByte('\n')
	}
	quorum, err := torchwood.ParsePolicy([]byte(rest.String()))
	if err != nil {
		return nil, err
	}
	p.quorum, p.strict = quorum, quorum.Check("", nil) != nil
	return p, nil
}

// ParseLog parses a log's vkey of type 0x01.
func ParseLog(vkey string) (Log, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Log{}, fmt.Errorf("couldn't read log key %q: %w", vkey, err)
	}
	// The verifier has checked the form: name, '+', hash, '+', base64, in which '+' may stand.
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	if err != nil {
		return Log{}, fmt.Errorf("couldn't read log key %q: %w", vkey, err)
	}
	return Log{VKey: vkey, name: v.Name(), key: ed25519.PublicKey(raw[1:])}, nil
}

// ParseWitness makes a witness of its name in a policy and its vkey of type 0x04.
func ParseWitness(name, vkey string) (Witness, error) {
	v, err := torchwood.NewCosignatureVerifier(vkey)
	if err != nil {
		return Witness{}, fmt.Errorf("couldn't read witness key %q: %w", vkey, err)
	}
	return Witness{Name: name, VKey: vkey, Verifier: v}, nil
}

// CheckURL tells whether a URL can be that of a witness.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is no http or https URL of a witness", s)
	}
	return nil
}

var logID = regexp.MustCompile(`^/[0-9a-f]{32}$`)

// Verifier returns the verifier of the log with this origin, if l stands for it.
func (l Log) Verifier(origin string) (v note.Verifier, ok bool) {
	rest, ok := strings.CutPrefix(origin, l.name)
	if !ok || rest != "" && !logID.MatchString(rest) {
		return nil, false
	}
	vkey, err := note.NewEd25519VerifierKey(origin, l.key)
	if err != nil {
		return nil, false
	}
	if v, err = note.NewVerifier(vkey); err != nil {
		return nil, false
	}
	return v, true
}

// For returns what checkpoints of the log with this origin must satisfy: the
// signature of a key that stands for the origin, and the quorum of cosignatures.
// It is an error if no log of the policy does.
func (p *Policy) For(origin string) (torchwood.Policy, error) {
	var logs, times []torchwood.Policy
	for _, l := range p.Logs {
		if v, ok := l.Verifier(origin); ok {
			own, err := torchwood.NewCosignatureSigner(origin, publicKey(l.key))
			if err != nil {
				return nil, err
			}
			times = append(times, torchwood.SingleVerifierPolicy(own.Verifier()))
			logs = append(logs, torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(origin), torchwood.SingleVerifierPolicy(v)))
		}
	}
	if len(logs) == 0 {
		return nil, fmt.Errorf("the policy has no log key for origin %q", origin)
	}
	// The line by which the log states the time need not be there, but is checked if it is.
	return torchwood.ThresholdPolicy(3, torchwood.ThresholdPolicy(1, logs...), p.quorum, torchwood.ThresholdPolicy(0, times...)), nil
}

// publicKey lets the maker of a cosignature's signer be used for its verifier.
type publicKey ed25519.PublicKey

// Public implements [crypto.Signer].
func (k publicKey) Public() crypto.PublicKey { return ed25519.PublicKey(k) }

// Sign implements [crypto.Signer].
func (k publicKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is not there")
}

// Quorum returns nil if verified signatures hold the cosignatures that the
// policy demands; the log's own is not looked for.
func (p *Policy) Quorum(sigs []note.Signature) error {
	return p.quorum.Check("", sigs)
}

// Demands tells whether the quorum needs any cosignature.
func (p *Policy) Demands() bool { return p.strict }

// Single is the policy that trusts one log key and demands no cosignature.
func Single(vkey string) (*Policy, error) {
	l, err := ParseLog(vkey)
	if err != nil {
		return nil, err
	}
	return &Policy{Logs: []Log{l}, quorum: torchwood.ThresholdPolicy(0)}, nil
}

var errForm = errors.New("no checkpoint: its first line is no origin")

// Verify verifies a checkpoint by the policy for its own origin. The caller
// compares the origin with the one it asked for.
func (p *Policy) Verify(checkpoint []byte) (torchwood.Checkpoint, *note.Note, error) {
	origin, _, ok := strings.Cut(string(checkpoint), "\n")
	if !ok || origin == "" {
		return torchwood.Checkpoint{}, nil, errForm
	}
	of, err := p.For(origin)
	if err != nil {
		return torchwood.Checkpoint{}, nil, err
	}
	return torchwood.VerifyCheckpoint(checkpoint, of)
}
