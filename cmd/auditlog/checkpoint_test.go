package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
)

// hashes returns those of the log's entries.
func (l *drillLog) hashes(t *testing.T) (all []chain.Hash) {
	for _, s := range l.segments {
		for _, line := range s.lines {
			e, err := chain.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(t, err)
			all = append(all, e.Hash)
		}
	}
	return all
}

// resigned returns the log with checkpoints at the sizes that it had, signed anew
// over what it holds now.
func (l *drillLog) resigned(t *testing.T) *drillLog {
	c := *l
	c.signed = nil
	hashes := l.hashes(t)
	for _, s := range l.signed {
		if s.size <= uint64(len(hashes)) {
			c.signed = append(c.signed, l.key.sign(hashes[:s.size]))
		}
	}
	return &c
}

func (l *drillLog) anchorOf(t *testing.T, dir string, flags ...string) (exit int, a anchor, says string) {
	v := verdictOf(t, dir, flags...)
	require.Len(t, v.Says, 1)
	return v.Exit, v.Anchors[l.id.String()], v.Says[0]
}

// systemd issue 15425: a file that was never sealed passed when it was verified
// with a key. Here a log without checkpoints never passes, whatever is asked.
func TestJournaldIssue15425UnsealedWithKey(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	l.signed = nil
	l.save(t, dir, 0)
	_, _, says := l.anchorOf(t, dir)
	require.Contains(t, says, "with --key KEY it is held to them")
	require.NoError(t, os.Remove(filepath.Join(dir, l.id.String(), "checkpoints")))
	_, _, says = l.anchorOf(t, dir)
	require.NotContains(t, says, "--key")
	for _, flags := range [][]string{{"--key", l.vkey}, {"--policy", policyFile(t, "log "+l.vkey+"\nquorum none\n")}} {
		exit, a, says := l.anchorOf(t, dir, flags...)
		require.Equal(t, exitUnanchored, exit)
		require.Zero(t, a.Proven.Size)
		require.Contains(t, says, "Nothing is proven: there is no checkpoint that the given key has signed.")
		require.Contains(t, says, fmt.Sprintf("Not proven are entries 1 to %d:", l.entries()))
	}
}

// systemd issue 11524: some wrong keys passed.
func TestJournaldIssue11524WrongKey(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	for range 50 {
		wrong := newTestKey(t, l.id)
		exit, a, says := l.anchorOf(t, dir, "--key", wrong.vkey)
		require.Equal(t, exitUnanchored, exit)
		require.Zero(t, a.Proven.Size)
		require.Equal(t, len(l.signed), a.Foreign)
		require.Contains(t, says, "signed by other keys than the one that was given")
	}
	// The right key's name and hash over a signature of another key.
	forged := *l
	forged.signed = nil
	for _, s := range l.signed {
		other := newTestKey(t, l.id)
		theirs := bytes.Split(other.sign(l.hashes(t)[:s.size]).note, []byte("\n"))
		ours := bytes.Split(s.note, []byte("\n"))
		for i, line := range theirs {
			if bytes.HasPrefix(line, []byte("— ")) {
				theirs[i] = retagged(t, line, ours[i])
			}
		}
		s.note = bytes.Join(theirs, []byte("\n"))
		forged.signed = append(forged.signed, s)
	}
	forged.save(t, dir, l.entries())
	v := verdictOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitBroken, v.Exit)
	require.Len(t, v.Logs[0].Faults, len(l.signed))
	require.Contains(t, v.Logs[0].Faults[0].Reason, "signature")
}

// CVE-2023-31438: a log was cut off and written on, and passed, as empty epochs
// were not sealed.
func TestJournaldCVE202331438CutOffAndContinued(t *testing.T) {
	l := newDrillLog(t)
	newest := l.signed[len(l.signed)-1].keep(t, "newest")
	oldest := l.signed[0].keep(t, "oldest")
	for k := int(l.signed[0].size) + 1; k < l.entries(); k++ {
		c := l.rebuilt(t, k)
		dir := t.TempDir()
		c.save(t, dir, l.entries())
		exit, a, _ := l.anchorOf(t, dir, "--key", l.vkey)
		require.Equal(t, exitBroken, exit, "the checkpoints beside it are still there")
		require.Equal(t, firstUntrusted(l.signed, k), a.FirstUntrusted)

		c = c.resigned(t) // whoever has the machine has the key
		c.save(t, dir, l.entries())
		exit, _, _ = l.anchorOf(t, dir, "--key", l.vkey, "--checkpoint", oldest)
		require.Equal(t, exitOK, exit, "from its newest checkpoint elsewhere on, the key's holder can lie")
		v := verdictOf(t, dir, "--key", l.vkey, "--checkpoint", newest)
		require.Equal(t, exitBroken, v.Exit)
		require.Contains(t, v.Logs[0].Faults[0].Reason, "fork: the key of this log signed other first")
		require.Equal(t, newest, v.Logs[0].Faults[0].Segment)
	}
}

// CVE-2023-31439: old entries that were sealed anew with the current key passed.
func TestJournaldCVE202331439SealedAnewWithTheCurrentKey(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	for _, kept := range l.signed {
		for k := 1; k <= int(kept.size); k += 2 {
			l.rebuilt(t, k).resigned(t).save(t, dir, l.entries())
			exit, a, says := l.anchorOf(t, dir, "--key", l.vkey, "--checkpoint", kept.keep(t, "kept"))
			require.Equal(t, exitBroken, exit, "entry %d under a checkpoint of %d", k, kept.size)
			require.LessOrEqual(t, a.FirstUntrusted, uint64(k))
			require.Contains(t, says, fmt.Sprintf("Entry %d is the first that can't be trusted", a.FirstUntrusted))
		}
	}
}

// A log set back to an older state of its whole folder looks younger. What was
// kept tells, and without it the answer says what it can't.
func TestRollbackToAnOlderState(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	old, newest := l.signed[1], l.signed[len(l.signed)-1]
	l.first(int(old.size)).save(t, dir, int(old.size))
	exit, a, says := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitOK, exit)
	require.Equal(t, old.size, a.Proven.Size)
	require.Contains(t, says, "What the log may have held after that would have to be shown by a newer checkpoint or a witness.")
	kept := newest.keep(t, "newest")
	v := verdictOf(t, dir, "--key", l.vkey, "--checkpoint", kept)
	require.Equal(t, exitBroken, v.Exit)
	require.Equal(t, old.size+1, v.Anchors[l.id.String()].FirstUntrusted)
	last := v.Logs[0].Faults[len(v.Logs[0].Faults)-1]
	require.Equal(t, kept, last.Segment)
	require.Contains(t, last.Reason, fmt.Sprintf("this checkpoint covers %d entries, of which %d stand in the log", newest.size, old.size))
}

// A checkpoint file older than the entries leaves their end unproven.
func TestCheckpointsOlderThanTheEntries(t *testing.T) {
	l := newDrillLog(t)
	dir := t.TempDir()
	for i, c := range l.signed {
		l.save(t, dir, int(c.size))
		exit, a, says := l.anchorOf(t, dir, "--key", l.vkey)
		if i == len(l.signed)-1 {
			require.Equal(t, exitOK, exit)
			require.Nil(t, a.Unproven)
			require.Contains(t, says, fmt.Sprintf("All %d entries are those that were signed at ", l.entries()))
			require.Contains(t, says, "by the log's own clock")
			continue
		}
		require.Equal(t, exitUnanchored, exit)
		require.Equal(t, c.size, a.Proven.Size)
		require.Equal(t, c.size+1, a.Unproven.First)
		require.Contains(t, says, fmt.Sprintf("Not proven are entries %d to %d:", c.size+1, l.entries()))
	}
}

// Checkpoints that contradict each other, or are no checkpoints, beside a log
// whose chain holds.
func TestFileOfCheckpoints(t *testing.T) {
	l := newDrillLog(t)
	all := uint64(l.entries())
	newest := l.signed[len(l.signed)-1]
	// with returns the newest checkpoint with another text, signed or not.
	with := func(text string, sign bool) signedCheckpoint {
		c := newest
		c.note = []byte(text)
		if sign {
			c.note = l.key.signText(text).note
		}
		return c
	}
	root := treeHash(newest.leaves)
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		signed []signedCheckpoint
		exit   int
		reason string // of the fault
		proven uint64
	}{
		"as written":            {l.signed, exitOK, "", all},
		"newest only":           {[]signedCheckpoint{newest}, exitOK, "", all},
		"sizes that shrink":     {[]signedCheckpoint{newest, l.signed[0]}, exitBroken, "checkpoint covers 1 entries, one before it", all},
		"times that go back":    {[]signedCheckpoint{l.signed[1], l.key.at(past).sign(l.hashes(t)[:l.signed[2].size]), newest}, exitBroken, "and no entry tells that the clock was set back", all},
		"the last one earlier":  {[]signedCheckpoint{newest, l.key.at(past).sign(l.hashes(t))}, exitOK, "", all},
		"a time to come":        {[]signedCheckpoint{l.signed[0], l.key.at(future).sign(l.hashes(t))}, exitUnanchored, "", l.signed[0].size},
		"of another log":        {append(l.signed[:len(l.signed):len(l.signed)], newTestKey(t, chain.LogID{1}).sign(l.hashes(t))), exitBroken, "checkpoint is of log 01000000000000000000000000000000", all},
		"another root":          {[]signedCheckpoint{l.signed[0], l.key.sign(make([]chain.Hash, all))}, exitBroken, "are not those that this checkpoint was signed over", l.signed[0].size},
		"two roots of a size":   {[]signedCheckpoint{l.key.sign(make([]chain.Hash, all)), newest}, exitBroken, "fork: the key of this log signed other first", 0},
		"more than there are":   {[]signedCheckpoint{newest, l.key.sign(make([]chain.Hash, all+1))}, exitBroken, fmt.Sprintf("log is shorter than a checkpoint of it, which covers entry %d", all+1), all},
		"no time":               {[]signedCheckpoint{l.key.signed(l.hashes(t))}, exitOK, "", all},
		"size with a zero":      {[]signedCheckpoint{with(fmt.Sprintf("%s\n0%d\n%s\n", l.key.origin, all, root), true)}, exitUnanchored, "", 0},
		"an extension line":     {[]signedCheckpoint{with(fmt.Sprintf("%s\n%d\n%s\nmore\n", l.key.origin, all, root), true)}, exitUnanchored, "", 0},
		"a note without lines":  {[]signedCheckpoint{with("not signed", false)}, exitUnanchored, "", 0},
		"a signature cut short": {[]signedCheckpoint{with(string(newest.note[:len(newest.note)-9])+"\n", false)}, exitBroken, "invalid signature", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := *l, t.TempDir()
			c.signed = tt.signed
			c.save(t, dir, int(all)+1)
			v := verdictOf(t, dir, "--key", l.vkey)
			require.Equal(t, tt.exit, v.Exit, "%v", v.Logs[0].Faults)
			if tt.reason != "" {
				require.Contains(t, fmt.Sprint(v.Logs[0].Faults), tt.reason)
			}
			require.Equal(t, tt.proven, v.Anchors[l.id.String()].Proven.Size)
			if tt.proven == 0 && tt.exit != exitBroken {
				require.Len(t, v.Anchors[l.id.String()].Damaged, 1)
			}
		})
	}
}

// Of checkpoints whose signature lines were taken from another key, or off.
func TestSignaturesThatProveNothing(t *testing.T) {
	l := newDrillLog(t)
	newest := l.signed[len(l.signed)-1]
	text, _, ok := bytes.Cut(newest.note, []byte("\n\n"))
	require.True(t, ok)
	other := newTestKey(t, chain.LogID{9})
	unknown, err := note.Sign(&note.Note{Text: string(text) + "\n"}, other.signer)
	require.NoError(t, err)
	c, dir := *l, t.TempDir()
	newest.note = unknown
	c.signed = []signedCheckpoint{newest}
	c.save(t, dir, c.entries())
	exit, a, _ := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitUnanchored, exit)
	require.Zero(t, a.Proven.Size)
	require.Equal(t, 1, a.Foreign)
}

func policyFile(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "policy")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
