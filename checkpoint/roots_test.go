package checkpoint_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// storedTree is a tree as golang.org/x/mod builds it, entry by entry.
type storedTree []tlog.Hash

func (s storedTree) ReadHashes(indexes []int64) (hashes []tlog.Hash, err error) {
	for _, i := range indexes {
		hashes = append(hashes, s[i])
	}
	return hashes, nil
}

func treeOf(t *testing.T, hashes []chain.Hash) (s storedTree) {
	for i, h := range hashes {
		leaf := append(binary.BigEndian.AppendUint64(nil, uint64(i)+1), h[:]...)
		more, err := tlog.StoredHashes(int64(i), leaf, s)
		require.NoError(t, err)
		s = append(s, more...)
	}
	return s
}

// The roots are those of golang.org/x/mod, however the entries are split up and
// whoever prepares them.
func TestRootsAreThoseOfTheTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := make([]chain.Hash, 700)
	for i := range hashes {
		binary.BigEndian.PutUint64(hashes[i][:], rng.Uint64())
	}
	tree := treeOf(t, hashes)
	for range 200 {
		var sizes []uint64
		for n := range 1 + rng.IntN(40) {
			sizes = append(sizes, uint64(rng.IntN(len(hashes)+1)))
			if n%7 == 0 {
				sizes = append(sizes, sizes[n])
			}
		}
		r := checkpoint.NewRoots(sizes)
		var again any
		r.Take(1, hashes[:rng.IntN(len(hashes))+1], nil)
		r.Reset()
		for at := 0; at < len(hashes); {
			n := min(1+rng.IntN(1<<rng.IntN(9)), len(hashes)-at)
			first, part := uint64(at)+1, hashes[at:at+n]
			if rng.IntN(3) > 0 {
				again = r.Prepare(first, part, again)
				r.Take(first, part, again)
			} else {
				r.Take(first, part, nil)
			}
			at += n
		}
		for _, size := range sizes {
			want, err := tlog.TreeHash(int64(size), tree)
			require.NoError(t, err)
			got, ok := r.Root(size)
			require.True(t, ok)
			require.Equal(t, want, got, "size %d of %v", size, sizes)
		}
	}
}

func TestRootThatWasNotReached(t *testing.T) {
	r := checkpoint.NewRoots([]uint64{2, 5, 9})
	r.Take(1, make([]chain.Hash, 7), nil)
	for size, want := range map[uint64]bool{0: true, 1: false, 2: true, 5: true, 7: false, 9: false} {
		_, ok := r.Root(size)
		require.Equal(t, want, ok, size)
	}
}
