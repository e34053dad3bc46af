package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
)

// testWitness cosigns checkpoints.
type testWitness struct {
	timedSigner
	vkey string
}

func newTestWitness(t *testing.T, name string, at time.Time) testWitness {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	s, err := torchwood.NewCosignatureSigner(name, private)
	require.NoError(t, err)
	return testWitness{timedSigner{s.Verifier(), private, func() time.Time { return at }}, s.Verifier().String()}
}

// cosign adds the witness's line to a checkpoint.
func (w testWitness) cosign(t *testing.T, c signedCheckpoint) signedCheckpoint {
	text, _, _ := bytes.Cut(c.note, []byte("\n\n"))
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, w.timedSigner)
	require.NoError(t, err)
	_, line, _ := bytes.Cut(signed, []byte("\n\n"))
	c.note = append(bytes.Clone(c.note), line...)
	return c
}

// Only what the quorum of the policy has cosigned is proven. A cosignature that
// came later stands on a line of its own.
func TestPolicyDemandsCosignatures(t *testing.T) {
	l := newDrillLog(t)
	dir, middle := t.TempDir(), l.signed[2]
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	one, two := newTestWitness(t, "example.org/one", at), newTestWitness(t, "example.org/two", at)
	own := l.signed[:len(l.signed):len(l.signed)]
	policy := func(quorum string) string {
		return policyFile(t, fmt.Sprintf("log %s\nwitness one %s\nwitness two %s\ngroup both all one two\nquorum %s\n", l.vkey, one.vkey, two.vkey, quorum))
	}
	l.signed = append(own, one.cosign(t, middle))
	l.save(t, dir, l.entries())
	for quorum, want := range map[string]uint64{"none": uint64(l.entries()), "one": middle.size, "two": 0, "both": 0} {
		exit, a, says := l.anchorOf(t, dir, "--policy", policy(quorum))
		require.Equal(t, want, a.Proven.Size, quorum)
		require.Equal(t, want == uint64(l.entries()), exit == exitOK, quorum)
		if quorum == "none" {
			require.Contains(t, says, fmt.Sprintf("Entries 1 to %d were seen by witness example.org/one at %s.", middle.size, at.UTC().Format(time.RFC3339)))
			continue
		}
		require.Equal(t, exitUnanchored, exit)
		require.Contains(t, says, "do not have the cosignatures that the policy demands")
		require.Contains(t, says, fmt.Sprintf("Not proven are entries %d to %d:", want+1, l.entries()))
	}
	l.signed = append(own, two.cosign(t, one.cosign(t, own[len(own)-1])))
	l.save(t, dir, l.entries())
	exit, _, _ := l.anchorOf(t, dir, "--policy", policy("both"))
	require.Equal(t, exitOK, exit)

	// The cosignature of a witness that was changed is no cosignature.
	damaged := one.cosign(t, own[len(own)-1])
	damaged.note = bytes.Replace(damaged.note, []byte("— example.org/one "), []byte("— example.org/two "), 1)
	l.signed = []signedCheckpoint{damaged}
	l.save(t, dir, l.entries())
	exit, a, _ := l.anchorOf(t, dir, "--policy", policy("one"))
	require.Equal(t, exitUnanchored, exit)
	require.Zero(t, a.Proven.Size)
}

// The drill with what a witness has: it is a checkpoint that was kept, in which
// its own clock stands.
func TestDrillWithTheStateOfAWitness(t *testing.T) {
	t.Parallel()
	l := newDrillLog(t)
	witness := newTestWitness(t, "example.org/witness", time.Now().Add(-time.Hour))
	policy := policyFile(t, fmt.Sprintf("log %s\nwitness w %s\nquorum w\n", l.vkey, witness.vkey))
	state := witness.cosign(t, l.signed[len(l.signed)-1])
	kept, dir := state.keep(t, "state"), t.TempDir()
	l.save(t, dir, l.entries())
	exit, a, says := l.anchorOf(t, dir, "--policy", policy, "--checkpoint", kept)
	require.Equal(t, exitOK, exit)
	require.Equal(t, state.size, a.Witnessed.Size)
	require.Contains(t, says, "by witness example.org/witness")
	for k := 2; k <= l.entries(); k++ {
		for name, c := range map[string]*drillLog{"cut off": l.first(k - 1), "rebuilt": l.rebuilt(t, k)} {
			c.save(t, dir, l.entries())
			exit, a, _ := l.anchorOf(t, dir, "--policy", policy, "--checkpoint", kept)
			require.Equal(t, exitBroken, exit, "%s at %d", name, k)
			require.Equal(t, firstUntrusted(l.signed, k), a.FirstUntrusted)
		}
	}
}

func TestSinceTellsWhatWasAdded(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	since := l.signed[1]
	exit, a, says := l.anchorOf(t, dir, "--key", l.vkey, "--since", since.keep(t, "since"))
	require.Equal(t, exitOK, exit)
	require.Equal(t, since.size, *a.Since)
	require.EqualValues(t, l.entries(), since.size+a.Added)
	require.Contains(t, says, fmt.Sprintf("Since the checkpoint of %d entries, %d entries were added.", since.size, a.Added))
	l.rebuilt(t, 2).resigned(t).save(t, dir, l.entries())
	exit, _, _ = l.anchorOf(t, dir, "--key", l.vkey, "--since", since.keep(t, "since"))
	require.Equal(t, exitBroken, exit, "the log does not go on from there")
}

// A log that must be there and is not: somebody began another.
func TestLogThatIsNotThere(t *testing.T) {
	l, other := newDrillLog(t), newDrillLog(t)
	dir := t.TempDir()
	other.save(t, dir, other.entries())
	for _, flags := range [][]string{
		{"--log-id", l.id.String()},
		{"--log-id", l.id.String(), "--chain-only"},
		{"--key", l.vkey, "--checkpoint", l.signed[0].keep(t, "kept")},
	} {
		var stdout, stderr strings.Builder
		require.Equal(t, exitBroken, run(t.Context(), append([]string{"verify", dir}, flags...), &stdout, &stderr), flags)
		require.Regexp(t, `BROKEN log `+l.id.String()+`(, of which .*kept covers 1 entries,)? is not here`, stdout.String())
	}
	var stdout, stderr strings.Builder
	require.Equal(t, exitBroken, run(t.Context(), []string{"verify", t.TempDir(), "--log-id", l.id.String()}, &stdout, &stderr), "no log at all")
	v := verdictOf(t, dir, "--key", l.vkey, "--log-id", other.id.String())
	require.Equal(t, exitUnanchored, v.Exit, "another's key")
	v = verdictOf(t, dir, "--key", other.vkey, "--log-id", other.id.String())
	require.Equal(t, exitOK, v.Exit)
}

// The key by its file, by name or by origin, and what is no key.
func TestKeys(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	origin, err := note.NewEd25519VerifierKey(l.key.origin, l.key.signer.key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	kept := l.signed[0].keep(t, "kept")
	for _, tt := range []struct {
		name  string
		flags []string
		exit  int
		says  string
	}{
		{"in a file", []string{"--key", file("# of the shop\n\n" + l.vkey + "\n")}, exitOK, ""},
		{"by its origin", []string{"--key", origin}, exitOK, ""},
		{"among others", []string{"--key", newTestKey(t, l.id).vkey, "--key", l.vkey}, exitOK, ""},
		{"and its policy", []string{"--key", l.vkey, "--policy", policyFile(t, "quorum none\n")}, exitOK, ""},
		{"none in the file", []string{"--key", file("# none\n")}, exitUsage, "holds no key"},
		{"private", []string{"--key", file("PRIVATE+KEY+x+00000000+AA==\n")}, exitUsage, "holds a private key"},
		{"no file", []string{"--key", "nowhere"}, exitUsage, "neither a verifier key nor a file"},
		{"no policy", []string{"--policy", policyFile(t, "quorum both\n")}, exitUsage, "--policy: "},
		{"policy without a log", []string{"--policy", policyFile(t, "quorum none\n")}, exitUsage, "names no log"},
		{"policy not there", []string{"--policy", "nowhere"}, exitUnreadable, "couldn't read policy"},
		{"checkpoint without a key", []string{"--checkpoint", kept}, exitUsage, "add --key or --policy"},
		{"checkpoint not there", []string{"--key", l.vkey, "--checkpoint", "nowhere"}, exitUnreadable, "couldn't read checkpoint"},
		{"checkpoint of another key", []string{"--key", newTestKey(t, l.id).vkey, "--checkpoint", kept}, exitUsage, "not signed by the key that was given"},
		{"no checkpoint", []string{"--key", l.vkey, "--checkpoint", file("hello\n")}, exitUnreadable, "couldn't parse checkpoint"},
		{"no log id", []string{"--log-id", "x"}, exitUsage, "32 lower-case hex digits"},
		{"chain only", []string{"--chain-only", "--key", l.vkey}, exitUsage, "leave one of them out"},
	} {
		var stdout, stderr strings.Builder
		require.Equal(t, tt.exit, run(t.Context(), append([]string{"verify", dir}, tt.flags...), &stdout, &stderr), "%s: %s%s", tt.name, stdout.String(), stderr.String())
		require.Contains(t, stderr.String(), tt.says, tt.name)
	}
}

// Of several logs each is held to its own checkpoints: those of one vouch for no other.
func TestEachLogHasItsOwnCheckpoints(t *testing.T) {
	l, other := newDrillLog(t), newDrillLog(t)
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	other.save(t, dir, 1)
	v := verdictOf(t, dir, "--key", l.vkey, "--key", other.vkey)
	require.Equal(t, exitBroken, v.Exit, "none of them names the other")
	require.Len(t, v.Says, 2)
	for _, c := range []*drillLog{l, other} {
		require.Empty(t, v.Anchors[c.id.String()].FirstUntrusted)
		require.Contains(t, strings.Join(v.Says, "\n"), "Log "+c.id.String()+": ")
	}
	require.EqualValues(t, l.entries(), v.Anchors[l.id.String()].Proven.Size)
	require.EqualValues(t, 1, v.Anchors[other.id.String()].Proven.Size)
}
