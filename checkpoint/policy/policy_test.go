package policy_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint/policy"
)

const (
	name   = "example.com/audit"
	origin = name + "/00112233445566778899aabbccddeeff"
)

// logKey signs under any name; its vkey is under name.
type logKey struct {
	private ed25519.PrivateKey
	vkey    string
}

func newLogKey(t *testing.T) logKey {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	vkey, err := note.NewEd25519VerifierKey(name, public)
	require.NoError(t, err)
	return logKey{private, vkey}
}

type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

func (k logKey) as(t *testing.T, name string) note.Signer {
	vkey, err := note.NewEd25519VerifierKey(name, k.private.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	return signer{v, k.private}
}

func newWitness(t *testing.T, name string) *torchwood.CosignatureSigner {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	w, err := torchwood.NewCosignatureSigner(name, private)
	require.NoError(t, err)
	return w
}

func checkpoint(t *testing.T, origin string, by ...note.Signer) []byte {
	b, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: origin, Tree: tlog.Tree{N: 7}}.String()}, by...)
	require.NoError(t, err)
	return b
}

func TestPolicyDemandsLogAndQuorum(t *testing.T) {
	k, other := newLogKey(t), newLogKey(t)
	w1, w2, w3 := newWitness(t, "w1"), newWitness(t, "w2"), newWitness(t, "w3")
	p, err := policy.Parse([]byte("# ours\nlog " + other.vkey + " # the other machine\nlog " + k.vkey + "\n" +
		"witness one " + w1.Verifier().String() + " https://w1.example/\nwitness two " + w2.Verifier().String() + "\n" +
		"witness three " + w3.Verifier().String() + "\ngroup most 2 one two three\nquorum most\n"))
	require.NoError(t, err)
	require.True(t, p.Demands())
	require.Len(t, p.Witnesses, 3)
	require.Equal(t, "https://w1.example/", p.Witnesses[0].URL)
	require.Equal(t, "one", p.Witnesses[0].Name)
	require.Equal(t, "w1", p.Witnesses[0].Verifier.Name())
	require.Empty(t, p.Witnesses[1].URL)

	by := k.as(t, origin)
	for _, c := range []struct {
		about string
		note  []byte
		ok    bool
	}{
		{"quorum", checkpoint(t, origin, by, w1, w3), true},
		{"all", checkpoint(t, origin, by, w1, w2, w3), true},
		{"bare name", checkpoint(t, name, k.as(t, name), w1, w2), true},
		{"the other machine's", checkpoint(t, origin, other.as(t, origin), w1, w2), true},
		{"one too few", checkpoint(t, origin, by, w1), false},
		{"twice the same", checkpoint(t, origin, by, w1, w1), false},
		{"no witness", checkpoint(t, origin, by), false},
		{"no log", checkpoint(t, origin, w1, w2), false},
		{"key not in the policy", checkpoint(t, origin, newLogKey(t).as(t, origin), w1, w2), false},
		{"signed under another origin", checkpoint(t, origin, k.as(t, name), w1, w2), false},
		{"another name", checkpoint(t, "example.com/other", k.as(t, "example.com/other"), w1, w2), false},
		{"no log id", checkpoint(t, name+"/x", k.as(t, name+"/x"), w1, w2), false},
		{"the log's time", checkpoint(t, origin, by, w1, w2, times(t, k.private)), true},
		{"the log's time of another's key", checkpoint(t, origin, by, w1, w2, forged{times(t, k.private)}), false},
		{"witness of another key", checkpoint(t, origin, by, w1, newWitness(t, "w2")), false},
	} {
		_, _, err := p.Verify(c.note)
		require.Equal(t, c.ok, err == nil, "%s: %v", c.about, err)
	}
}

func TestPolicyOfOneKeyDemandsNoWitness(t *testing.T) {
	k := newLogKey(t)
	p, err := policy.Single(k.vkey)
	require.NoError(t, err)
	require.False(t, p.Demands())
	c, _, err := p.Verify(checkpoint(t, origin, k.as(t, origin)))
	require.NoError(t, err)
	require.Equal(t, origin, c.Origin)
	_, _, err = p.Verify([]byte("no checkpoint"))
	require.Error(t, err)
	_, err = policy.Single("nonsense")
	require.Error(t, err)
}

func TestPolicyNamesTheBadLine(t *testing.T) {
	k, w := newLogKey(t).vkey, newWitness(t, "w").Verifier().String()
	for text, want := range map[string]string{
		"log nonsense\nquorum none":                             "line 1: couldn't read log key",
		"\nlog " + w + "\nquorum none":                          "line 2: couldn't read log key",
		"log " + k + "\nwitness w " + k + "\nquorum w":          "line 2: witness w: couldn't read witness key",
		"witness w " + w + " ftp://example.com\nquorum w":       "line 1: witness w: ",
		"witness w " + w + " http://example.com/?x=1\nquorum w": "line 1: witness w: ",
		"log " + k + "\n\nwitness w\nquorum w":                  "line 3: invalid witness definition",
		"witness w " + w + "\ngroup g 2 w\nquorum g":            "line 2: invalid group threshold",
		"witness w " + w + "\nquorum v":                         `quorum "v" not defined`,
		"log " + k:                                              "no quorum defined",
		"logs " + k + "\nquorum none":                           "line 1: unknown keyword",
	} {
		_, err := policy.Parse([]byte(text))
		require.ErrorContains(t, err, want, strings.ReplaceAll(text, "\n", "|"))
	}
}

// times is how a log states the time.
func times(t *testing.T, key ed25519.PrivateKey) note.Signer {
	s, err := torchwood.NewCosignatureSigner(origin, key)
	require.NoError(t, err)
	return s
}

// forged signs something else.
type forged struct{ note.Signer }

func (f forged) Sign(msg []byte) ([]byte, error) {
	sig, err := f.Signer.Sign(msg)
	if err == nil {
		sig[20] ^= 1
	}
	return sig, err
}
