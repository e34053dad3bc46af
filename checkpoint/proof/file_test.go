package proof_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
)

func (r *rig) prove(t testing.TB, seq uint64) []byte {
	whole := r.at(t, r.size())
	p, err := openTree(t, r, false).Inclusion(whole, seq, r.hashes[seq-1])
	require.NoError(t, err)
	return proof.Format(r.lines[seq-1], seq, p, r.checkpoint(t, whole))
}

// Torchwood, which knows nothing of our entries, takes the proof for the leaf.
func TestProofIsOneForTorchwood(t *testing.T) {
	r := newRig(t, 600, nil)
	trusted, err := trust(t).For(r.origin())
	require.NoError(t, err)
	for _, seq := range []uint64{1, 2, 256, 257, 300, uint64(r.size())} {
		file := r.prove(t, seq)
		leaf := tlog.RecordHash(append(seqBytes(seq), r.hashes[seq-1][:]...))
		require.NoError(t, torchwood.VerifyProof(trusted, leaf, file))
		got, err := proof.Check(file, trust(t))
		require.NoError(t, err)
		require.Equal(t, seq, got.Entry.Seq)
		require.Equal(t, r.lines[seq-1], got.Line)
		require.Equal(t, r.size(), got.Checkpoint.N)
	}
}

// No byte of a proof can be another: the entry, its place, the hashes, the
// checkpoint and its signature.
func TestProofWithOneByteFlipped(t *testing.T) {
	r := newRig(t, 600, nil)
	file := r.prove(t, 300)
	for i := range file {
		for _, bit := range []byte{1, 0x20} {
			bad := append([]byte(nil), file...)
			bad[i] ^= bit
			got, err := proof.Check(bad, trust(t))
			if err == nil {
				// base64 may leave bits unused; what is shown is what was proven all the same.
				require.Equal(t, r.lines[299], got.Line, "byte %d", i)
				require.Contains(t, "AEIMQUYcgkosw048", string(file[i]), "byte %d", i)
				continue
			}
			require.Zero(t, got)
		}
	}
}

func TestProofIsNotAnother(t *testing.T) {
	r := newRig(t, 600, nil)
	file := r.prove(t, 300)
	_, vkey, err := note.GenerateKey(rand.Reader, name)
	require.NoError(t, err)
	other, err := policy.Single(vkey)
	require.NoError(t, err)
	_, err = proof.Check(file, other)
	require.Error(t, err, "another key")
	for _, bad := range [][]byte{
		nil,
		[]byte("c2sp.org/tlog-proof@v1\n"),
		bytes.Replace(file, []byte("index 299"), []byte("index 0299"), 1),
		bytes.Replace(file, []byte("index 299"), []byte("index 298"), 1),
		bytes.Replace(file, []byte("tlog-proof@v1"), []byte("tlog-proof@v2"), 1),
		file[:len(file)-1],
		append(append([]byte(nil), file...), '\n'),
	} {
		_, err := proof.Check(bad, trust(t))
		require.Error(t, err)
	}
}
