package proof_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"

	"filippo.io/torchwood"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint/policy"
	"github.com/otelaudit/auditexporter/internal/durable"
)

// rig is a log on disk that was written and closed, and what its entries are.
type rig struct {
	folder string
	hashes []chain.Hash // of entries 1 and up
	lines  [][]byte
	tree   []tlog.Hash // stored hashes
}

// newRig writes a log of some segments with at least n entries.
func newRig(t testing.TB, n int, tell func(first uint64, hashes []chain.Hash)) *rig {
	t.Helper()
	w, err := chain.Open(context.Background(), chain.Options{
		Directory: t.TempDir(), MaxSize: int64(n) * 60, Synced: tell, Software: "test",
	})
	require.NoError(t, err)
	for i := 0; i < n; i += 10 {
		var b chain.Batch
		for j := range 10 {
			b.EndEvent(fmt.Appendf(b.Buffer(), `{"v":1,"n":%d}`, i+j))
		}
		b.Finish()
		require.NoError(t, w.Write([]*chain.Batch{&b}))
		require.NoError(t, w.Sync())
		if d, due := w.RotateIn(); due && d <= 0 {
			require.NoError(t, w.Rotate())
		}
	}
	folder := w.Info().Folder
	require.NoError(t, w.Close())
	r := &rig{folder: folder}
	r.read(t)
	return r
}

func (r *rig) read(t testing.TB) {
	reader, err := chain.OpenReader(durable.OS(), r.folder, chain.ReadOptions{Check: true})
	require.NoError(t, err)
	defer reader.Close()
	for {
		l, err := reader.Next()
		if err != nil {
			break
		}
		require.EqualValues(t, len(r.hashes)+1, l.Seq)
		more, err := tlog.StoredHashesForRecordHash(int64(len(r.hashes)), tlog.RecordHash(append(seqBytes(l.Seq), l.Hash[:]...)), r.stored())
		require.NoError(t, err)
		r.tree = append(r.tree, more...)
		r.hashes = append(r.hashes, l.Hash)
		r.lines = append(r.lines, append([]byte(nil), l.Text...))
	}
}

func seqBytes(n uint64) (b []byte) {
	for shift := 56; shift >= 0; shift -= 8 {
		b = append(b, byte(n>>shift))
	}
	return b
}

// stored is the whole tree as tlog keeps it, to compare with.
func (r *rig) stored() tlog.HashReader {
	return tlog.HashReaderFunc(func(is []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(is))
		for i, x := range is {
			out[i] = r.tree[x]
		}
		return out, nil
	})
}

func (r *rig) size() int64 { return int64(len(r.hashes)) }

func (r *rig) at(t testing.TB, n int64) tlog.Tree {
	root, err := tlog.TreeHash(n, r.stored())
	require.NoError(t, err)
	return tlog.Tree{N: n, Hash: root}
}

const name = "example.com/audit"

var key = ed25519.NewKeyFromSeed(make([]byte, 32))

func (r *rig) origin() string { return name + "/" + filepath.Base(r.folder) }

// signer signs as the log does: under its origin.
type signer struct {
	name string
	hash uint32
}

func (s signer) Name() string                    { return s.name }
func (s signer) KeyHash() uint32                 { return s.hash }
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(key, msg), nil }

func (r *rig) checkpoint(t testing.TB, tree tlog.Tree, more ...note.Signer) []byte {
	vkey, err := note.NewEd25519VerifierKey(r.origin(), key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	v, err := note.NewVerifier(vkey)
	require.NoError(t, err)
	b, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: r.origin(), Tree: tree}.String()},
		append([]note.Signer{signer{r.origin(), v.KeyHash()}}, more...)...)
	require.NoError(t, err)
	return b
}

func vkey(t testing.TB) string {
	v, err := note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
	require.NoError(t, err)
	return v
}

func trust(t testing.TB) *policy.Policy {
	p, err := policy.Single(vkey(t))
	require.NoError(t, err)
	return p
}
