package checkpoint_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// Its roots are those of golang.org/x/mod at every size, however it is filled, and
// a record of it goes on to the same ones.
func TestTreeRoots(t *testing.T) {
	hashes := randomHashes(600)
	stored := treeOf(t, hashes)
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		tree := new(checkpoint.Tree)
		for at := 0; at < len(hashes); {
			n := min(1+rng.IntN(1<<rng.IntN(9)), len(hashes)-at)
			tree.Append(uint64(at)+1, hashes[at:at+n])
			at += n
			want, err := tlog.TreeHash(int64(at), stored)
			require.NoError(t, err)
			require.Equal(t, want, tree.Root())
			require.Equal(t, chain.Head{Seq: uint64(at), Hash: hashes[at-1]}, tree.Head())
			if rng.IntN(4) == 0 {
				r := checkpoint.Sign(key(t), logID(t), tree, 0)
				again, err := r.Tree()
				require.NoError(t, err)
				tree = again
			}
		}
	}
}

func TestEmptyTree(t *testing.T) {
	want, err := tlog.TreeHash(0, storedTree(nil))
	require.NoError(t, err)
	require.Equal(t, want, new(checkpoint.Tree).Root())
}

func TestTreeHasNoGaps(t *testing.T) {
	tree := new(checkpoint.Tree)
	tree.Append(1, randomHashes(5))
	require.Panics(t, func() { tree.Append(7, randomHashes(1)) })
	require.Panics(t, func() { tree.Append(5, randomHashes(1)) })
}

// Entries of more than one step of hashing.
func TestTreeOfManyEntries(t *testing.T) {
	hashes := randomHashes(10_001)
	whole, parts := new(checkpoint.Tree), new(checkpoint.Tree)
	whole.Append(1, hashes)
	for i := range hashes {
		parts.Append(uint64(i)+1, hashes[i:i+1])
	}
	require.Equal(t, parts.Root(), whole.Root())
	want, err := tlog.TreeHash(int64(len(hashes)), treeOf(t, hashes))
	require.NoError(t, err)
	require.Equal(t, want, whole.Root())
}
