package proof_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint/proof"
	"github.com/otelaudit/auditexporter/internal/durable"
)

func openTree(t testing.TB, r *rig, keep bool) *proof.Tree {
	tree, err := proof.Open(proof.Options{FS: durable.OS(), Folder: r.folder, Keep: keep})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

// sizes are around the borders of blocks, and the whole.
func sizes(n int64) []int64 {
	s := []int64{1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1023, 1024, 1025, 1300}
	for i, x := range s {
		if x >= n {
			s = s[:i]
			break
		}
	}
	return append(s, max(n-1, 1), n)
}

func TestTreeProvesEverySize(t *testing.T) {
	r := newRig(t, 1500, nil)
	for _, keep := range []bool{false, true} {
		tree := openTree(t, r, keep)
		for _, n := range sizes(r.size()) {
			for _, old := range sizes(n) {
				p, err := tree.Consistency(r.at(t, n), old)
				require.NoError(t, err, "%d to %d", old, n)
				want, err := tlog.ProveTree(n, old, r.stored())
				require.NoError(t, err)
				require.Equal(t, want, p)

				in, err := tree.Inclusion(r.at(t, n), uint64(old), r.hashes[old-1])
				require.NoError(t, err, "%d in %d", old, n)
				wantIn, err := tlog.ProveRecord(n, old-1, r.stored())
				require.NoError(t, err)
				require.Equal(t, wantIn, in)
			}
		}
	}
	info, err := os.Stat(filepath.Join(r.folder, proof.FileName))
	require.NoError(t, err)
	require.Equal(t, tlog.StoredHashCount(r.size()/256)*32, info.Size())
}

func TestTreeRefusesWhatIsNotThere(t *testing.T) {
	r := newRig(t, 600, nil)
	tree := openTree(t, r, true)
	whole := r.at(t, r.size())
	_, err := tree.Consistency(whole, r.size()+1)
	require.Error(t, err)
	_, err = tree.Inclusion(whole, uint64(r.size())+1, chain.Hash{})
	require.Error(t, err)
	_, err = tree.Inclusion(whole, 0, chain.Hash{})
	require.Error(t, err)
	_, err = tree.Inclusion(whole, 7, r.hashes[7])
	require.Error(t, err, "the hash of another entry")
	_, err = tree.Inclusion(tlog.Tree{N: r.size(), Hash: tlog.Hash{1}}, 7, r.hashes[6])
	require.ErrorIs(t, err, proof.ErrRoot)
	_, err = tree.Consistency(tlog.Tree{N: r.size() + 1}, 5)
	require.ErrorContains(t, err, "the log ends before it")
}

// Whatever stands in the file: proofs hold, and the file is right afterwards.
func TestTreeFileIsNotTrusted(t *testing.T) {
	r := newRig(t, 1100, nil)
	name := filepath.Join(r.folder, proof.FileName)
	whole := r.at(t, r.size())
	prove := func(keep bool) error {
		tree, err := proof.Open(proof.Options{FS: durable.OS(), Folder: r.folder, Keep: keep})
		require.NoError(t, err)
		_, err = tree.Inclusion(whole, 3, r.hashes[2])
		if err == nil {
			_, err = tree.Consistency(whole, 300)
		}
		require.NoError(t, tree.Close())
		return err
	}
	require.NoError(t, prove(true))
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	for i := 0; i < len(good); i += 37 {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		require.NoError(t, os.WriteFile(name, bad, 0o600))
		require.NoError(t, prove(false), "byte %d", i)
		require.NoError(t, prove(true), "byte %d", i)
	}
	for _, bad := range [][]byte{nil, good[:32], good[:100], append(append([]byte(nil), good...), make([]byte, 3200)...)} {
		require.NoError(t, os.WriteFile(name, bad, 0o600))
		require.NoError(t, prove(false))
		require.NoError(t, prove(true))
		after, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, good, after[:len(good)])
	}
}

// What the writer tells need not be read back, and what it did not tell is.
func TestTreeOfAWriterAtWork(t *testing.T) {
	for _, tail := range []int{0, 300, 1 << 20} {
		all := map[uint64][]chain.Hash{}
		var order []uint64
		r := newRig(t, 2000, func(first uint64, hashes []chain.Hash) {
			order = append(order, first)
			all[first] = append([]chain.Hash(nil), hashes...)
		})
		told := &proof.Tail{Max: tail}
		tree, err := proof.Open(proof.Options{FS: durable.OS(), Folder: r.folder, Keep: true, Tail: told})
		require.NoError(t, err)
		old, size := int64(0), int64(0)
		for i, first := range order {
			if tail > 0 && i%40 != 7 { // some are never told
				told.Append(first, all[first])
			}
			size = int64(first) + int64(len(all[first])) - 1
			if i%17 == 3 {
				p, err := tree.Consistency(r.at(t, size), old)
				require.NoError(t, err)
				if old > 0 {
					want, err := tlog.ProveTree(size, old, r.stored())
					require.NoError(t, err)
					require.Equal(t, want, p)
				}
				told.Release(uint64(old))
				old = size
			}
		}
		require.NoError(t, tree.Close())
	}
}
