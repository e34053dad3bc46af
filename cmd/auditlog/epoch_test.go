package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// epochKey is the key of an epoch, from 1.
func (k *testKey) epochKey(epoch int) ed25519Signer {
	name := fmt.Sprintf("%s/epoch/%d", k.origin, epoch)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(k.t, err)
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	require.NoError(k.t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(k.t, err)
	return ed25519Signer{v, private}
}

// certificate is the body of the entry that begins an epoch.
func (k *testKey) certificate(epoch int, key ed25519Signer, by note.Signer) []byte {
	vkey, err := note.NewEd25519VerifierKey(key.Name(), key.key.Public().(ed25519.PublicKey))
	require.NoError(k.t, err)
	text, err := note.Sign(&note.Note{Text: fmt.Sprintf("auditlog/epoch/v1\n%s\n%d\n%s\n", k.origin, epoch, vkey)}, by)
	require.NoError(k.t, err)
	body, err := json.Marshal(checkpoint.EpochKey{
		SystemEvent: chain.SystemEvent{V: 1, Type: "epoch_key", Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
		Epoch:       uint64(epoch), Certificate: string(text),
	})
	require.NoError(k.t, err)
	return body
}

// epochLog is a log with three epochs, which entries 3, 7 and 11 begin, of 14
// entries. Checkpoints are signed at each second entry and each seal.
type epochLog struct {
	*drillLog
	epochs []ed25519Signer // of epoch i+1
}

var epochBegins = []int{3, 7, 11}

// newEpochLog makes an epochLog; certificate may make another one in the place of
// that which begins an epoch.
func newEpochLog(t *testing.T, certificate func(k *testKey, epoch int, epochs []ed25519Signer) []byte) epochLog {
	w, err := chain.Open(t.Context(), chain.Options{Directory: filepath.Join(t.TempDir(), "audit")})
	require.NoError(t, err)
	l := epochLog{drillLog: &drillLog{id: w.Info().LogID}}
	l.key = newTestKey(t, l.id)
	l.vkey = l.key.vkey
	for epoch := range epochBegins {
		l.epochs = append(l.epochs, l.key.epochKey(epoch+1))
	}
	for seq := 2; seq <= 13; seq++ {
		b := new(chain.Batch)
		epoch := 0
		for i, begins := range epochBegins {
			if begins == seq {
				epoch = i + 1
			}
		}
		if epoch == 0 {
			b.EndEvent(fmt.Appendf(b.Buffer(), `{"n":%d}`, seq))
		} else {
			b.EndSystem(append(b.Buffer(), certificate(l.key, epoch, l.epochs)...))
		}
		require.NoError(t, w.Write([]*chain.Batch{b}))
	}
	require.NoError(t, w.Sync())
	require.NoError(t, w.Close())
	l.segments = readSegments(t, w.Info().Folder)
	l.sign(t, l.epochs)
	return l
}

// certified is the certificate that should begin an epoch.
func certified(k *testKey, epoch int, epochs []ed25519Signer) []byte {
	if epoch == 1 {
		return k.certificate(1, epochs[0], k.signer)
	}
	return k.certificate(epoch, epochs[epoch-1], epochs[epoch-2])
}

// sign signs the checkpoints of what the log holds, each with the key of its
// epoch among those given; nil is of an epoch whose key is gone.
func (l *epochLog) sign(t *testing.T, epochs []ed25519Signer) {
	l.signed = nil
	hashes := l.hashes(t)
	for size := 1; size <= len(hashes); size += 2 {
		epoch := 0
		for epoch < len(epochBegins) && epochBegins[epoch] < size {
			epoch++
		}
		more := []note.Signer{l.key.timed}
		if epoch > 0 && epochs[epoch-1].key != nil {
			more = append(more, epochs[epoch-1])
		}
		l.signed = append(l.signed, l.key.signed(hashes[:size], more...))
	}
	last := []note.Signer{l.key.timed, epochs[len(epochs)-1]}
	l.signed = append(l.signed, l.key.signed(hashes, last...))
}

func TestEpochs(t *testing.T) {
	l := newEpochLog(t, certified)
	dir := t.TempDir()
	l.save(t, dir, l.entries())
	exit, a, _ := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitOK, exit)
	require.Equal(t, 3, a.Epochs)
	require.EqualValues(t, l.entries(), a.Proven.Size)
}

// Epochs whose checkpoints or certificates are not those that must be.
func TestEpochsThatDoNotPass(t *testing.T) {
	mine := func(l *epochLog) ed25519Signer { return l.epochs[2] } // the current epoch's, which is at hand
	for name, tt := range map[string]struct {
		certificate func(k *testKey, epoch int, epochs []ed25519Signer) []byte
		edit        func(t *testing.T, l *epochLog)
		reason      string
		first       uint64 // that can't be trusted
	}{
		"an epoch that was not sealed": {certified, func(_ *testing.T, l *epochLog) {
			l.drop(7)
		}, "epoch 1 is not sealed: its key signed no checkpoint of the first 7 entries", 6},
		"the entries before the first epoch": {certified, func(_ *testing.T, l *epochLog) {
			l.drop(1, 3)
		}, "no checkpoint of the first 3 entries, which the first epoch follows", 1},
		"old entries sealed anew without the keys of their epochs": {certified, func(t *testing.T, l *epochLog) {
			l.drillLog = l.rebuilt(t, 5)
			l.sign(t, []ed25519Signer{{}, {}, mine(l)})
		}, "signature of epoch 1", 4},
		"old entries sealed anew with the current epoch's key": {certified, func(t *testing.T, l *epochLog) {
			l.drillLog = l.rebuilt(t, 5)
			l.sign(t, []ed25519Signer{mine(l), mine(l), mine(l)})
		}, "is of epoch 1 and has a signature of epoch 3", 4},
		"old entries made anew and their seals left out": {certified, func(t *testing.T, l *epochLog) {
			l.drillLog = l.rebuilt(t, 5)
			l.sign(t, l.epochs)
			l.drop(5, 7, 9, 11)
		}, "epoch 1 is not sealed", 4},
		"an epoch that another key than the one before certified": {func(k *testKey, epoch int, epochs []ed25519Signer) []byte {
			if epoch == 3 {
				return k.certificate(3, epochs[2], k.signer)
			}
			return certified(k, epoch, epochs)
		}, nil, "couldn't verify the certificate of epoch 3 in entry 11", 10},
		"two certificates of one key": {func(k *testKey, epoch int, epochs []ed25519Signer) []byte {
			if epoch == 3 {
				return k.certificate(2, epochs[2], epochs[0])
			}
			return certified(k, epoch, epochs)
		}, nil, "two certificates of one key", 10},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEpochLog(t, tt.certificate)
			if tt.edit != nil {
				tt.edit(t, &l)
			}
			dir := t.TempDir()
			l.save(t, dir, l.entries())
			v := verdictOf(t, dir, "--key", l.vkey)
			require.Equal(t, exitBroken, v.Exit)
			require.Contains(t, fmt.Sprint(v.Logs[0].Faults), tt.reason)
			require.Equal(t, tt.first, v.Anchors[l.id.String()].FirstUntrusted)
		})
	}
}

// drop leaves out the checkpoints of these sizes.
func (l *epochLog) drop(sizes ...uint64) {
	var left []signedCheckpoint
	for _, c := range l.signed {
		keep := true
		for _, size := range sizes {
			keep = keep && c.size != size
		}
		if keep {
			left = append(left, c)
		}
	}
	l.signed = left
}

// Who has the current epoch's key and the log's can sign other entries of that
// epoch: only a checkpoint that was kept elsewhere tells.
func TestCurrentEpochCanBeForged(t *testing.T) {
	l := newEpochLog(t, certified)
	dir := t.TempDir()
	kept := l.signed[len(l.signed)-1].keep(t, "kept")
	l.drillLog = l.rebuilt(t, 12)
	l.sign(t, []ed25519Signer{l.epochs[0], l.epochs[1], l.epochs[2]})
	l.save(t, dir, l.entries())
	exit, _, _ := l.anchorOf(t, dir, "--key", l.vkey)
	require.Equal(t, exitOK, exit)
	exit, _, _ = l.anchorOf(t, dir, "--key", l.vkey, "--checkpoint", kept)
	require.Equal(t, exitBroken, exit)
}

// The drill on a log with epochs, as they stand in the log.
func TestDrillWithEpochs(t *testing.T) {
	t.Parallel()
	l := newEpochLog(t, certified)
	dir, kept := t.TempDir(), l.signed[len(l.signed)-1].keep(t, "kept")
	for k := 2; k <= l.entries(); k++ {
		l.first(k-1).drill(t, dir, k, kept)
		l.rebuilt(t, k).drill(t, dir, k, kept)
	}
}
