package checkpoint_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/checkpoint"
)

func TestKeyRoundTrip(t *testing.T) {
	k, err := checkpoint.GenerateKey("example.com/audit")
	require.NoError(t, err)
	again, err := checkpoint.ParseKey(" " + k.Text() + "\n")
	require.NoError(t, err)
	require.Equal(t, k, again)
	p, err := checkpoint.ParsePublicKey(k.Public().VKey() + "\n")
	require.NoError(t, err)
	require.Equal(t, k.Public(), p)
	require.Equal(t, "example.com/audit", p.Name())
}

// However a key is printed, its seed is not.
func TestKeyIsNotPrinted(t *testing.T) {
	k := key(t)
	secret := strings.SplitN(exampleKey, "+", 5)[4]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		require.NotContains(t, fmt.Sprintf(verb, k), secret[:10], verb)
	}
	_, err := checkpoint.ParseKey(exampleKey[:len(exampleKey)-3])
	require.ErrorContains(t, err, "auditlog keygen")
	require.NotContains(t, err.Error(), secret[:10])
}

func TestNames(t *testing.T) {
	for _, bad := range []string{"", "a b", "a+b", "a\nb", "a\u00a0b", "a\x00", "\xff", strings.Repeat("a", 201)} {
		require.Error(t, checkpoint.CheckName(bad), "%q", bad)
		_, err := checkpoint.GenerateKey(bad)
		require.Error(t, err)
	}
	origin := checkpoint.Origin("example.com/audit", logID(t))
	require.Equal(t, "example.com/audit/"+exampleLog, origin)
	name, id, ok := checkpoint.SplitOrigin(origin)
	require.True(t, ok)
	require.Equal(t, "example.com/audit", name)
	require.Equal(t, logID(t), id)
	for _, bad := range []string{"", "x", exampleLog, "/" + exampleLog, "x/" + exampleLog[1:], "x/" + strings.ToUpper(exampleLog)} {
		_, _, ok := checkpoint.SplitOrigin(bad)
		require.False(t, ok, bad)
	}
}

// A key is for the logs of its name; one that is named after a log is for that log.
func TestKeyIsForAnOrigin(t *testing.T) {
	k := key(t)
	origin := checkpoint.Origin(k.Name(), logID(t))
	v := verifierOf(t, k, logID(t))
	_, err := k.Public().For("example.com/other/" + exampleLog)
	require.Error(t, err)
	_, err = k.Public().For("example.com/audit")
	require.Error(t, err)

	p, err := checkpoint.ParsePublicKey(v.VKey())
	require.NoError(t, err)
	again, err := p.For(origin)
	require.NoError(t, err)
	require.Equal(t, v.Note.KeyHash(), again.Note.KeyHash())
	_, err = p.For(strings.Replace(origin, "00", "ff", 1))
	require.Error(t, err)
}

// Stock tools take a checkpoint, and so do we; whatever is changed in it, neither.
func TestCheckpointIsASignedNote(t *testing.T) {
	r := records(t, 9)[8]
	v := verifierOf(t, key(t), logID(t))
	before := time.Now().Add(-time.Minute)
	c, at, err := v.Open(r.Note)
	require.NoError(t, err)
	require.Equal(t, r.Checkpoint, c)
	require.Equal(t, uint64(9), c.Size)
	require.WithinRange(t, at, before, before.Add(2*time.Minute))

	stock, err := note.NewVerifier(v.VKey())
	require.NoError(t, err)
	_, _, err = torchwood.VerifyCheckpoint(r.Note, torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(v.Origin), torchwood.SingleVerifierPolicy(stock)))
	require.NoError(t, err)

	text := string(r.Note)
	body, sigs, _ := strings.Cut(text, "\n\n")
	lines := strings.SplitAfter(sigs, "\n")
	other := checkpoint.Sign(otherKey(t), logID(t), mustTree(t, &r), 0)
	for name, bad := range map[string]string{
		"another size":        strings.Replace(text, "\n9\n", "\n8\n", 1),
		"a size with a zero":  strings.Replace(text, "\n9\n", "\n09\n", 1),
		"an extension line":   body + "\nextra\n\n" + sigs,
		"another origin":      strings.Replace(text, "/0001", "/0002", 1),
		"no log signature":    body + "\n\n" + lines[1],
		"another key":         string(other.Note),
		"a changed signature": strings.Replace(text, lines[0], lines[0][:len(lines[0])-8]+"AAAA"+lines[0][len(lines[0])-4:], 1),
		"a changed time":      body + "\n\n" + lines[0] + lines[1][:len(lines[1])-8] + "AAAA" + lines[1][len(lines[1])-4:],
		"no signature":        body + "\n\n",
		"nothing":             "",
	} {
		_, _, err := v.Open([]byte(bad))
		require.Error(t, err, name)
	}
	_, at, err = v.Open([]byte(body + "\n\n" + lines[0]))
	require.NoError(t, err)
	require.Zero(t, at, "no time is stated")
}

func otherKey(t *testing.T) *checkpoint.Key {
	k, err := checkpoint.GenerateKey(key(t).Name())
	require.NoError(t, err)
	return k
}

func mustTree(t *testing.T, r *checkpoint.Record) *checkpoint.Tree {
	tree, err := r.Tree()
	require.NoError(t, err)
	return tree
}
